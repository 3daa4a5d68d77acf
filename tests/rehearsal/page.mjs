// The playbook as a list of sections, each with its blocks of commands.

import { readFileSync } from 'node:fs';

/** `[{number: '7', title: 'A bad publication, taken back', blocks: ['...']}]`; a section without a number has ''. */
export function sectionsOf(path) {
  const sections = [];
  let block;
  for (const line of readFileSync(path, 'utf8').split('\n')) {
    if (block !== undefined) {
      if (line === '```') {
        sections.at(-1).blocks.push(block);
        block = undefined;
      } else {
        block += `${line}\n`;
      }
    } else if (line.startsWith('## ')) {
      const [, number, title] = /^## (?:(\d+)\. )?(.*)$/.exec(line);
      sections.push({ number: number ?? '', title, blocks: [] });
    } else if (line === '```sh') {
      block = '';
    }
  }
  return sections;
}
