import { spawn } from 'node:child_process'
import { once } from 'node:events'

/** A command of a `console` block and what it printed. */
export interface Step {
  command: string
  output: string
}

const block = /^```console\n([\s\S]*?)^```$/gm

/** The commands in the `console` blocks of a page in Markdown, in order. */
export function steps(page: string): Step[] {
  return [...page.matchAll(block)].flatMap(([, text = '']) => stepsOf(text))
}

function stepsOf(text: string): Step[] {
  return text
    .split(/^\$ /m)
    .slice(1)
    .map((step) => {
      const end = step.indexOf('\n')
      return { command: step.slice(0, end), output: step.slice(end + 1).trim() }
    })
}

/** The page with the outputs that `outputOf` gives for its commands. */
export function withOutputs(page: string, outputOf: (step: Step) => string): string {
  return page.replaceAll(block, (_, text: string) => {
    const renewed = stepsOf(text).map((step) => `$ ${step.command}\n${outputOf(step)}\n`)
    return `\`\`\`console\n${renewed.join('\n')}\`\`\``
  })
}

/** Runs a line of shell and gives what it writes to both outputs, whatever its exit code. */
export async function shell(line: string, options: { cwd: string; env: NodeJS.ProcessEnv }) {
  const child = spawn('sh', ['-c', `{ ${line}\n} 2>&1`], {
    ...options,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
  await once(child, 'close')
  // Headers that curl shows end in CR LF.
  return output.replaceAll('\r', '').trim()
}
