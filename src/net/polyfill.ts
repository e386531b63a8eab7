/**
 * `Promise.withResolvers` for Node 20: libp2p calls it and Node has it from version 22 on. Import this
 * before anything of libp2p; it does nothing where the function exists.
 */
const promise = Promise as { withResolvers?: <T>() => Resolvers<T> }

type Resolvers<T> = {
  promise: Promise<T>
  resolve: (value: T | PromiseLike<T>) => void
  reject: (reason?: unknown) => void
}

promise.withResolvers ??= <T>() => {
  const resolvers = {} as Resolvers<T>
  resolvers.promise = new Promise<T>((resolve, reject) =>
    Object.assign(resolvers, { resolve, reject }),
  )
  return resolvers
}
