// Babel as React Native sets it up.

const babel = require('@babel/core');
const preset = require.resolve('@react-native/babel-preset');

module.exports.transform = ({ filename, options, plugins, src }) => {
  const { ast, metadata } = babel.transformSync(src, {
    ast: true,
    babelrc: false,
    caller: { name: 'metro', platform: options.platform },
    cloneInputAst: false,
    code: false,
    cwd: options.projectRoot,
    filename,
    highlightCode: true,
    plugins,
    presets: [[preset, { dev: false, unstable_transformProfile: 'default' }]],
    sourceType: 'unambiguous',
  });
  return { ast, metadata };
};
