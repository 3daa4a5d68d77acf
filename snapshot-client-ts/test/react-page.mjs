// What happens in the browser of `react.test.mjs`.

import { Component, createElement, StrictMode } from 'react';
import { flushSync } from 'react-dom';
import { createRoot } from 'react-dom/client';
import { createRemoteProvider } from '../dist/index.js';
import { createReferenceHooks } from '../dist/react.js';

globalThis.play = async (files) => {
  const warnings = [];
  console.error = (...words) => warnings.push(words.join(' '));
  let published = 'one';
  const provider = createRemoteProvider({
    baseUrl: 'http://store.example',
    polling: 'manual',
    transport: async (url) => {
      const path = new URL(url).pathname.slice(1);
      return { status: 200, body: path === 'version.json' ? files[published] : files[path] };
    },
  });
  const hooks = createReferenceHooks(provider);
  let renders = 0;
  const Grips = () => {
    renders++;
    const rows = hooks.useReferenceTable('grips');
    return rows.length > 0 ? rows.map(({ label }) => label).join() : 'no rows';
  };
  const Row = () => hooks.useReferenceRow('grips', 'G1')?.label;
  const Unknown = () => hooks.useReferenceTable('gripz').length;
  class Boundary extends Component {
    state = {};
    static getDerivedStateFromError = (error) => ({ error });
    render = () => this.state.error?.message ?? this.props.children;
  }
  const place = (id) => document.body.appendChild(Object.assign(document.createElement('p'), { id }));
  const show = (id, element) => flushSync(() => createRoot(place(id)).render(element));
  const textOf = (id) => document.getElementById(id).textContent;
  const painted = () => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));

  show('grips', createElement(StrictMode, null, createElement(Grips)));
  const seen = { empty: textOf('grips') };
  await provider.refresh();
  await painted();
  seen.first = textOf('grips');
  renders = 0;
  await provider.refresh();
  await painted();
  seen.rendersWhileNothingChanged = renders;
  show('row', createElement(Row));
  published = 'two';
  await provider.refresh();
  await painted();
  seen.second = textOf('grips');
  seen.row = textOf('row');
  seen.warnings = [...warnings];
  show('unknown', createElement(Boundary, null, createElement(Unknown)));
  await painted();
  seen.unknown = textOf('unknown');
  return seen;
};
