/** A request that the generator does not carry out; its message is for the person who made it. */
export class Refusal extends Error {
  override readonly name = 'Refusal'
}
