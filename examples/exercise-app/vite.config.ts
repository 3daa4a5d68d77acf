import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

/** Where snapshot-server listens while the app is developed. */
const server = process.env.REFERENCE_SERVER ?? 'http://127.0.0.1:8080';

export default defineConfig({
  plugins: [react()],
  // Hashes name the app's files, so that a page of one release never meets a file of another.
  build: { target: 'es2022', assetsInlineLimit: 0 },
  server: {
    host: '127.0.0.1',
    // The app's own tables lie beside it in this repository.
    fs: { allow: ['../..'] },
    proxy: { '/reference': { target: server, rewrite: (path) => path.replace(/^\/reference/, '') } },
  },
});
