// Where the programs of the machine are.
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

/** The path of a program on PATH or in one of the folders after it; undefined if there is none. */
export function findProgram(name: string, ...folders: string[]): string | undefined {
  const dirs = [...(process.env.PATH ?? '').split(delimiter), ...folders]
  return dirs.map((dir) => join(dir, name)).find(isExecutable)
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}
