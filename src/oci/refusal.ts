/** Why an image is not taken; the text is for people. Thrown from within streams, caught where the import ends. */
export class Refusal extends Error {}
