import { createRegistry } from '@bufbuild/protobuf'
import { createValidator } from '@bufbuild/protovalidate'
import { file_conf_v1_rules } from '../gen/conf/v1/rules_pb.ts'

/**
 * Checks settings and, in the same process, messages. protovalidate compiles all rules of a type, such as
 * those of texts, when one of them is first needed, and each validator for itself: some 50 ms of the
 * first calls, where the settings have had them compiled already.
 *
 * The registry is that of our own rule of settings, which protovalidate finds by its number.
 */
export const validator = createValidator({ registry: createRegistry(file_conf_v1_rules) })
