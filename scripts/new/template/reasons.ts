import type { Resource } from '../field.ts'

/** The reasons of a resource, with their statuses. */
export function reasonsOf({ noun: { upper }, unique }: Resource) {
  return [
    { name: `${upper}_NOT_FOUND`, status: 404 },
    ...(unique.length > 0 ? [{ name: `${upper}_ALREADY_EXISTS`, status: 409 }] : []),
    { name: `INVALID_${upper}_INPUT`, status: 400 },
  ]
}

/**
 * The proto of the reasons of a resource. `option` is the number of the option by which methods list
 * them: no other option of methods has it.
 */
export function reasons(resource: Resource, option: number): string {
  const { snake, upper, many } = resource.noun
  const lines = reasonsOf(resource).map(({ name, status }, index) => {
    const says =
      name === `INVALID_${upper}_INPUT`
        ? '  // One or more fields break a rule; the metadata names each with its rule.\n'
        : ''
    return `${says}  ${name} = ${index + 1} [(api.errors.v1.status) = ${status}];`
  })
  return `syntax = "proto3";

package api.${snake}.v1;

import "api/errors/v1/error_reason.proto";
import "google/protobuf/descriptor.proto";

extend google.protobuf.MethodOptions {
  // The reasons of ${many.words} that a method may fail with, beside those of api.errors.v1.
  repeated ErrorReason errors = ${option};
}

// The reasons of ${many.words} that a client may branch on, by name as those of api.errors.v1.
enum ErrorReason {
  ERROR_REASON_UNSPECIFIED = 0;

${lines.join('\n')}
}
`
}
