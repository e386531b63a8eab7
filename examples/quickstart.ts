import { createLedger, createNode, parsePrice } from 'sluice'

const ledger = await createLedger({ home: './ledger' })
const seller = await createNode({ home: './seller', ledger, listen: ['/ip4/127.0.0.1/tcp/0'] })
const buyer = await createNode({ home: './buyer', ledger })
await ledger.faucet(buyer.account, 1_000n)

seller.serve('poem', { price: parsePrice('1/B'), open: (from) => poem(from) })
const [address = ''] = seller.addresses
const channel = await buyer.open(address, { deposit: 1_000n })
for await (const bytes of await buyer.consume(address, 'poem')) process.stdout.write(bytes)
await buyer.close(channel.id)
console.log(`${await ledger.balance(seller.account)} earned`)

await Promise.all([buyer.stop(), seller.stop()])
await ledger.close()

/** Any async iterable of bytes, from the byte where a buyer goes on. */
async function* poem(from: bigint) {
  yield Buffer.from('So much depends upon a red wheel barrow\n').subarray(Number(from))
}
