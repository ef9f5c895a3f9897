/** One sample of Prometheus' text format. */
export interface Sample {
  name: string
  labels: Record<string, string>
  value: number
}

const line = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/
const label = /(\w+)="((?:[^"\\]|\\.)*)"/g

/** Reads the text format; fails where a line is neither a sample nor a comment. */
export function readSamples(text: string): Sample[] {
  return text
    .split('\n')
    .filter((each) => each !== '' && !each.startsWith('#'))
    .map((each) => {
      const [, name, labels = '', value] = line.exec(each) ?? []
      if (name === undefined) throw new Error(`not a sample: ${each}`)
      return { name, labels: readLabels(labels), value: Number(value) }
    })
}

function readLabels(text: string): Record<string, string> {
  return Object.fromEntries(
    Array.from(text.matchAll(label), ([, name = '', value = '']) => [
      name,
      value.replace(/\\(.)/g, (_, char: string) => (char === 'n' ? '\n' : char)),
    ]),
  )
}

/** Fetches and reads the samples of one name. */
export async function samplesOf(url: string, name: string): Promise<Sample[]> {
  const response = await fetch(`${url}/metrics`)
  if (!response.ok) throw new Error(`the metrics answer ${response.status}`)
  return readSamples(await response.text()).filter((sample) => sample.name === name)
}

export function sum(samples: readonly Sample[]): number {
  return samples.reduce((total, { value }) => total + value, 0)
}

/** The requests that a service works on, without the one that asks. */
export async function openRequests({ metrics }: { metrics: string }): Promise<number> {
  return sum(await samplesOf(metrics, 'http_server_active_requests'))
}
