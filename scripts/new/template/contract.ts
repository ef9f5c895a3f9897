import type { Field, Resource } from '../field.ts'
import { capital } from './biz.ts'

/** The proto of a resource: its service, and the messages with their rules. */
export function contract({ noun, fields, unique }: Resource): string {
  const { snake, pascal, words, many, a } = noun
  const taken = unique.length > 0
  return `syntax = "proto3";

package api.${snake}.v1;

import "api/auth/v1/options.proto";
import "api/errors/v1/error_reason.proto";
import "api/${snake}/v1/error_reason.proto";
import "buf/validate/validate.proto";
import "google/api/annotations.proto";
import "google/protobuf/empty.proto";
import "google/protobuf/field_mask.proto";
import "google/protobuf/timestamp.proto";

// ${capital(many.words)}.
service ${pascal} {
  // Creates ${a}.${taken ? ` Fails with ${noun.upper}_ALREADY_EXISTS when its ${inProse(unique)} is taken.` : ''}
  rpc Create${pascal}(Create${pascal}Request) returns (Get${pascal}Reply) {
    ${errors(snake, taken && `${noun.upper}_ALREADY_EXISTS`, `INVALID_${noun.upper}_INPUT`)}
    option (api.auth.v1.scopes) = "${many.kebab}:write";
    option (google.api.http) = {
      post: "/v1/${many.kebab}"
      body: "*"
    };
  }

  // Returns one ${words}. Fails with ${noun.upper}_NOT_FOUND.
  rpc Get${pascal}(Get${pascal}Request) returns (Get${pascal}Reply) {
    option idempotency_level = NO_SIDE_EFFECTS;
    ${errors(snake, `${noun.upper}_NOT_FOUND`, `INVALID_${noun.upper}_INPUT`)}
    option (api.auth.v1.scopes) = "${many.kebab}:read";
    option (google.api.http) = {get: "/v1/${many.kebab}/{id}"};
  }

  // Returns ${many.words} by ascending id, a page at a time.
  rpc List${many.pascal}(List${many.pascal}Request) returns (List${many.pascal}Reply) {
    option idempotency_level = NO_SIDE_EFFECTS;
    ${errors(snake, `INVALID_${noun.upper}_INPUT`)}
    option (api.auth.v1.scopes) = "${many.kebab}:read";
    option (google.api.http) = {get: "/v1/${many.kebab}"};
  }

  // Changes some fields of ${a} and returns the whole ${words}. Fails with ${noun.upper}_NOT_FOUND.
  rpc Update${pascal}(Update${pascal}Request) returns (Get${pascal}Reply) {
    ${errors(
      snake,
      `${noun.upper}_NOT_FOUND`,
      taken && `${noun.upper}_ALREADY_EXISTS`,
      `INVALID_${noun.upper}_INPUT`,
    )}
    option (api.auth.v1.scopes) = "${many.kebab}:write";
    option (google.api.http) = {
      patch: "/v1/${many.kebab}/{id}"
      body: "${snake}"
    };
  }

  // Deletes ${a}. Fails with ${noun.upper}_NOT_FOUND when there is none.
  rpc Delete${pascal}(Delete${pascal}Request) returns (google.protobuf.Empty) {
    option idempotency_level = IDEMPOTENT;
    ${errors(snake, `${noun.upper}_NOT_FOUND`, `INVALID_${noun.upper}_INPUT`)}
    option (api.auth.v1.scopes) = "${many.kebab}:write";
    option (google.api.http) = {delete: "/v1/${many.kebab}/{id}"};
  }
}

message Create${pascal}Request {
${fields.map((field, index) => created(field, index + 1)).join('\n')}
}

message Get${pascal}Request {
  int64 id = 1 [(buf.validate.field).int64.gt = 0];
}

message Get${pascal}Reply {
  int64 id = 1;
${fields.map((field, index) => replied(field, index + 2)).join('\n')}
  google.protobuf.Timestamp created_at = ${fields.length + 2};
}

message List${many.pascal}Request {
  // 0 means 20; more than 100 is served as 100.
  int32 page_size = 1 [(buf.validate.field).int32.gte = 0];
  // next_page_token of the page before. Costs the same at any depth.
  string page_token = 2;
}

message List${many.pascal}Reply {
  repeated Get${pascal}Reply ${many.snake} = 1;
  // Empty on the last page.
  string next_page_token = 2;
}

message Update${pascal}Request {
  int64 id = 1 [(buf.validate.field).int64.gt = 0];
  ${pascal}Fields ${snake} = 2;
  // Absent or empty: the fields that are present. "*": all of them.
  // ${clearing(fields)}
  google.protobuf.FieldMask update_mask = 3;
}

// The fields of ${a} that its client decides.
message ${pascal}Fields {
${fields.map((field, index) => changed(field, index + 1)).join('\n')}
}

message Delete${pascal}Request {
  int64 id = 1 [(buf.validate.field).int64.gt = 0];
}
`
}

function errors(snake: string, ...reasons: (string | false)[]): string {
  return [
    ...reasons.flatMap((reason) => (reason ? `option (api.${snake}.v1.errors) = ${reason};` : [])),
    'option (api.errors.v1.errors) = DATABASE_UNAVAILABLE;',
  ].join('\n    ')
}

/** `isbn`, `isbn or code`. */
function inProse(fields: readonly Field[]): string {
  return fields.map(({ snake }) => snake).join(' or ')
}

function clearing(fields: readonly Field[]): string {
  const optional = fields.filter(({ isOptional }) => isOptional)
  if (optional.length === 0) return 'A masked field must have a value.'
  const names = optional.map(({ snake }) => snake).join(' and ')
  const allow = optional.length === 1 ? 'allows' : 'allow'
  const which = optional.length === fields.length ? '' : `, which only ${names} ${allow}`
  return `A masked field without a value is cleared${which}.`
}

/** As a client gives it when it creates a row. */
function created(field: Field, number: number): string {
  const { kind, isOptional } = field
  const isMessage = kind.domain === 'Date'
  const required = isMessage && !isOptional ? ['(buf.validate.field).required = true'] : []
  return declared(field, {
    label: isOptional && !isMessage ? 'optional ' : '',
    number,
    rules: [...required, ...kind.rules],
    says: saysOf(field),
  })
}

/** As a client gives it when it changes a row: what is absent stays. */
function changed(field: Field, number: number): string {
  const label = field.kind.domain === 'Date' ? '' : 'optional '
  return declared(field, { label, number, rules: field.kind.rules, says: '' })
}

function replied(field: Field, number: number): string {
  const label = field.isOptional && field.kind.domain !== 'Date' ? 'optional ' : ''
  return declared(field, { label, number, rules: [], says: '' })
}

function saysOf({ kind, isUnique }: Field): string {
  return [kind.says, ...(isUnique ? ['Unique.'] : [])].filter((text) => text !== '').join(' ')
}

interface Declaration {
  label: string
  number: number
  rules: readonly string[]
  says: string
}

function declared({ snake, kind }: Field, { label, number, rules, says }: Declaration): string {
  const comment = says === '' ? '' : `  // ${says}\n`
  return `${comment}  ${label}${kind.proto} ${snake} = ${number}${bracketed(rules)};`
}

function bracketed(rules: readonly string[]): string {
  if (rules.length === 0) return ''
  if (rules.length === 1) return ` [${rules[0]}]`
  return ` [\n    ${rules.join(',\n    ').replaceAll('\n  }', '\n    }')}\n  ]`
}
