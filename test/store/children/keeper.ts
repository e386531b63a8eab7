/** Opens a home, says how that went, and keeps it until told a line. */
import { once } from 'node:events'
import { toProblem } from '../../../src/core/errors.js'
import * as Home from '../../../src/store/home.js'

try {
  const home = await Home.open(process.argv[2] ?? '')
  console.log(`open ${Buffer.from(home.keys.account).toString('hex')}`)
  await once(process.stdin, 'data')
  await home.close()
} catch (error) {
  const { code, message } = toProblem(error)
  console.log(`${code} ${message}`)
}
process.exit()
