// Type-checks the scripts and every @example of index.d.ts against index.d.ts
// and @types/k6, with the TypeScript of package-lock.json.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, '..', '..');
const examples = join(here, 'examples');

rmSync(examples, { recursive: true, force: true });
mkdirSync(examples);
const declarations = readFileSync(join(root, 'index.d.ts'), 'utf8');
let count = 0;
for (const [, comment] of declarations.matchAll(/\/\*\*([\s\S]*?)\*\//g)) {
  for (const example of comment.split('@example').slice(1)) {
    const code = example.split(/^\s*\* @/m)[0].split('\n').map((line) => line.replace(/^\s*\* ?/, ''));
    count += 1;
    writeFileSync(join(examples, `example${count}.ts`), code.join('\n'));
  }
}
const scripts = readdirSync(join(root, 'scripts')).filter((name) => name.endsWith('.js'));

writeFileSync(join(examples, 'tsconfig.json'), JSON.stringify({
  compilerOptions: {
    allowJs: true, checkJs: true, strict: true, noEmit: true, target: 'esnext',
    module: 'esnext', moduleResolution: 'bundler', lib: ['esnext', 'dom'], types: ['k6'],
    typeRoots: ['../node_modules/@types'], skipLibCheck: false, noImplicitAny: true,
    paths: { 'k6': ['../node_modules/@types/k6'], 'k6/http': ['../node_modules/@types/k6/http'],
      'k6/*': ['../node_modules/@types/k6/*'] },
  },
  files: ['../../../index.d.ts', ...scripts.map((name) => `../../${name}`),
    ...Array.from({ length: count }, (_, i) => `example${i + 1}.ts`)],
}));
try {
  execFileSync(join(here, 'node_modules', '.bin', 'tsc'), ['-p', examples], { stdio: 'inherit' });
} catch {
  process.exit(1);
}
console.log(`types: ${scripts.length} scripts and ${count} examples check`);
