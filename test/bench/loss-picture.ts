/**
 * The picture in the README: the loss of a real run that moved twice, drawn over the one that never moved.
 * `node --import tsx test/bench/loss-picture.ts > docs/loss.svg`. Fails when the two differ in a bit.
 */
import type { MigrationReport } from '@godwit/protocol'
import { lossBits, Rig } from '@godwit/testkit'

const spec = { program: 'mnist-mlp', steps: 600 }
const MOVE_AT = [200, 400]
const HOSTS = ['host a', 'host b', 'host a']
const COLOURS = ['#1f6feb', '#d2691e', '#1f6feb']
const [WIDTH, HEIGHT, LEFT, TOP, BOTTOM] = [860, 320, 56, 40, 40]

const rig = new Rig()
try {
  const moves: MigrationReport[] = []
  let source = await rig.start(spec)
  for (const step of MOVE_AT) {
    await rig.reached(source, step - 1)
    source.process.kill('SIGSTOP')
    const target = await rig.start(spec, { mode: 'incoming' })
    source.process.kill('SIGCONT')
    moves.push(await rig.migrate(source, target))
    source = target
  }
  const moved = await rig.finish(source)
  const control = await rig.control(spec)
  if (lossBits(moved.outputs) !== lossBits(control.outputs)) throw new Error('the two runs differ')
  console.log(
    draw(
      moved.outputs.map(({ loss }) => loss),
      moves,
    ),
  )
} finally {
  await rig.close()
}

function draw(losses: readonly number[], moves: readonly MigrationReport[]): string {
  const highest = Math.max(...losses)
  const x = (step: number): string => (LEFT + (step / (losses.length - 1)) * (WIDTH - LEFT - 16)).toFixed(1)
  const y = (loss: number): string => (TOP + (1 - loss / highest) * (HEIGHT - TOP - BOTTOM)).toFixed(1)
  const borders = [0, ...moves.map(({ step }) => step), losses.length - 1]
  const curves = HOSTS.map((host, index) => {
    const [from, to] = [borders[index] as number, borders[index + 1] as number]
    const points = losses.slice(from, to + 1).map((loss, offset) => `${x(from + offset)},${y(loss)}`)
    return `<polyline points="${points.join(' ')}" fill="none" stroke="${COLOURS[index]}" stroke-width="1.5"/>
  <text x="${x((from + to) / 2)}" y="${HEIGHT - 22}" fill="${COLOURS[index]}" text-anchor="middle">${host}</text>`
  })
  const marks = moves.map(
    ({
      step,
      downtimeMs,
    }) => `<line x1="${x(step)}" x2="${x(step)}" y1="${TOP}" y2="${HEIGHT - BOTTOM}" stroke="#888" stroke-dasharray="4 3"/>
  <text x="${x(step)}" y="${TOP - 8}" fill="#888" text-anchor="middle">moved before step ${step}, ${downtimeMs.toFixed(0)} ms</text>`,
  )
  const scale = [0, 0.5, 1, 1.5, 2].filter((loss) => loss <= highest)
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="13">
  <title>Training loss of mnist-mlp over ${losses.length} steps, moved between two hosts twice; equal to the bit to a run that never moved</title>
  <rect width="100%" height="100%" fill="#fff"/>
  ${scale.map((loss) => `<text x="${LEFT - 8}" y="${Number(y(loss)) + 4}" fill="#888" text-anchor="end">${loss}</text>`).join('\n  ')}
  <text x="${WIDTH / 2}" y="${HEIGHT - 4}" fill="#888" text-anchor="middle">step 0 to ${losses.length - 1}: loss</text>
  ${marks.join('\n  ')}
  ${curves.join('\n  ')}
</svg>`
}
