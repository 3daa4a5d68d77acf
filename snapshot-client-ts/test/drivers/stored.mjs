// What lies in a device's storage, past the client: the kit asks for it, and damages it.

/** What the kit asks about a cache, in its own words: the versions of the head, and how many objects. */
export async function readStored(device) {
  const keys = await device.keys();
  const find = (name) => keys.find((key) => key.endsWith(`/${name}`));
  const headKey = find('head');
  let head = null;
  try {
    head = headKey ? JSON.parse(await device.storage.getItem(headKey)) : null;
  } catch {
    // A damaged one.
  }
  const orderOf = (version) => (version ? version.sequence : null);
  return {
    current: orderOf(head?.current),
    previous: orderOf(head?.previous),
    objects: new Set(keys.filter((key) => /\.\d+$/.test(key)).map((key) => key.replace(/^.*\/|\.\d+$/g, '')))
      .size,
  };
}

/** Damages `head`, `manifest` or `table:<key>` of the current generation, and so on. */
export async function damage(device, { damage: what, how, value }) {
  const keys = await device.keys();
  const headKey = keys.find((key) => key.endsWith('/head'));
  const prefix = headKey.slice(0, -'head'.length);
  let names = [what];
  if (what !== 'head') {
    const { current } = JSON.parse(await device.storage.getItem(headKey));
    names = keys
      .filter((key) => key.startsWith(`${prefix}${current.manifest.hash}.`))
      .map((key) => key.slice(prefix.length));
    if (what.startsWith('table:')) {
      let text = '';
      for (const name of names.sort()) text += await device.storage.getItem(prefix + name);
      const { hash } = JSON.parse(text.slice(text.indexOf('\n') + 1)).tables[what.slice('table:'.length)];
      names = keys
        .filter((key) => key.startsWith(`${prefix}${hash}.`))
        .map((key) => key.slice(prefix.length));
    }
    names.sort();
  }
  const key = prefix + (how === 'remove-last' ? names[names.length - 1] : names[0]);
  const old = await device.storage.getItem(key);
  if (how === 'remove' || how === 'remove-last') await device.storage.removeItem(key);
  else if (how === 'cut') await device.storage.setItem(key, old.slice(0, old.length >> 1));
  else if (how === 'flip') await device.storage.setItem(key, flip(old));
  else if (how === 'set') await device.storage.setItem(key, value);
  else throw new Error(`no damage is called "${how}"`);
}

function flip(text) {
  const at = text.length >> 1;
  return text.slice(0, at) + (text[at] === 'x' ? 'y' : 'x') + text.slice(at + 1);
}
