import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { find, run } from './command.ts'
import { project } from '../tool.ts'

/**
 * A virtual environment of Python with the pinned packages of a file, made unless the last run has
 * made it. Returns the path of its programs. Throws MissingTool without Python.
 */
export async function venv(name: string, requirements: string): Promise<string> {
  const folder = join(project, 'node_modules/.cache/verify', name)
  const wanted = readFileSync(requirements, 'utf8')
  const mark = join(folder, 'installed.txt')
  const programs = join(folder, 'bin')
  if (existsSync(mark) && readFileSync(mark, 'utf8') === wanted) return programs
  mkdirSync(folder, { recursive: true })
  await run([find('python3'), '-m', 'venv', '--clear', folder])
  const pip = [join(programs, 'python'), '-m', 'pip', 'install', '--quiet', '--no-deps']
  await run([...pip, '-r', requirements])
  writeFileSync(mark, wanted)
  return programs
}
