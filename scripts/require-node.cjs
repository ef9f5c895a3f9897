// Plain JavaScript, so that a Node that is too old to read TypeScript can still say so.
const needed = require('../package.json').devDependencies.node
const [major, minor] = process.versions.node.split('.').map(Number)
const [neededMajor, neededMinor] = needed.split('.').map(Number)

if (major < neededMajor || (major === neededMajor && minor < neededMinor)) {
  console.error(
    `user-service: this is Node ${process.versions.node}, but Node ${needed} or newer is needed.\n` +
      'npm brings it as the dev dependency "node": run `npm ci`, and if npm says that it blocked the\n' +
      'install script of "node", allow it with `npm rebuild node`. Then use `npm start`.',
  )
  process.exit(1)
}
