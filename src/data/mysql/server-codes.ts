// What the error numbers of servers mean for a call. The names are MySQL's, and where it has none or
// another one those of MariaDB or TiDB. Of numbers above 1900, each server has its own.

const readOnly = {
  /** `--read-only`, `--super-read-only` and other options that prevent a statement. */
  ER_OPTION_PREVENTS_STATEMENT: 1290,
  /** Sessions begin so where `transaction_read_only` is on. */
  ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION: 1792,
  ER_READ_ONLY_MODE: 1836,
  ER_INNODB_READ_ONLY: 1874,
}

const outOfService = {
  /** By this name Galera says that a node is not in sync with its cluster. */
  ER_UNKNOWN_COM_ERROR: 1047,
  ER_SERVER_OFFLINE_MODE: 3032,
}

const undone = {
  /** MariaDB: the row has changed since the snapshot (`innodb_snapshot_isolation`). */
  ER_CHECKREAD: 1020,
  /** In Galera a conflict with another node, too. */
  ER_LOCK_DEADLOCK: 1213,
  /** Group replication: a conflict with another member. */
  ER_TRANSACTION_ROLLBACK_DURING_COMMIT: 3101,
  TIDB_FOR_UPDATE_CANNOT_RETRY: 8002,
  TIDB_WRITE_CONFLICT_IN_TIDB: 8005,
  TIDB_TRANSACTION_RETRYABLE: 8022,
  TIDB_WRITE_CONFLICT: 9007,
}

const made = {
  ER_TABLE_EXISTS_ERROR: 1050,
  ER_BAD_TABLE_ERROR: 1051,
  ER_DUP_FIELDNAME: 1060,
  ER_DUP_KEYNAME: 1061,
  ER_CANT_DROP_FIELD_OR_KEY: 1091,
}

const unprepared = { ER_UNKNOWN_STMT_HANDLER: 1243, ER_NEED_REPREPARE: 1615 }

const noRoom = { ER_MAX_PREPARED_STMT_COUNT_REACHED: 1461 }

const timedOut = { MARIADB_STATEMENT_TIMEOUT: 1969, ER_QUERY_TIMEOUT: 3024 }

const access = {
  ER_DBACCESS_DENIED_ERROR: 1044,
  ER_ACCESS_DENIED_ERROR: 1045,
  ER_BAD_DB_ERROR: 1049,
  ER_HOST_IS_BLOCKED: 1129,
  ER_HOST_NOT_PRIVILEGED: 1130,
  ER_MUST_CHANGE_PASSWORD: 1820,
  ER_MUST_CHANGE_PASSWORD_LOGIN: 1862,
  ER_ACCOUNT_HAS_BEEN_LOCKED: 3118,
  ER_SECURE_TRANSPORT_REQUIRED: 3159,
  MARIADB_ACCOUNT_HAS_BEEN_LOCKED: 4151,
}

const full = {
  ER_CON_COUNT_ERROR: 1040,
  ER_TOO_MANY_USER_CONNECTIONS: 1203,
  /** At a login, `MAX_USER_CONNECTIONS` of the account. */
  ER_USER_LIMIT_REACHED: 1226,
}

const exhausted = {
  ER_DISK_FULL: 1021,
  ER_OUTOFMEMORY: 1037,
  ER_OUT_OF_RESOURCES: 1041,
  ER_RECORD_FILE_FULL: 1114,
  ER_CANT_CREATE_THREAD: 1135,
  ER_LOCK_TABLE_FULL: 1206,
  ER_TOO_MANY_CONCURRENT_TRXS: 1637,
  TIDB_OUT_OF_MEMORY: 8176,
}

const ending = {
  ER_SERVER_SHUTDOWN: 1053,
  ER_NORMAL_SHUTDOWN: 1077,
  ER_SHUTDOWN_COMPLETE: 1079,
  ER_FORCING_CLOSE: 1080,
  ER_ABORTING_CONNECTION: 1152,
  ER_NET_READ_ERROR: 1158,
  ER_NET_READ_INTERRUPTED: 1159,
  ER_NET_ERROR_ON_WRITE: 1160,
  ER_NET_WRITE_INTERRUPTED: 1161,
  ER_NEW_ABORTING_CONNECTION: 1184,
  ER_QUERY_INTERRUPTED: 1317,
  MARIADB_CONNECTION_KILLED: 1927,
  ER_SESSION_WAS_KILLED: 3169,
  ER_CLIENT_INTERACTION_TIMEOUT: 4031,
}

/** Of the statement only: its transaction is still open. */
const waited = { ER_LOCK_WAIT_TIMEOUT: 1205 }

const busy = {
  /** Of Galera and group replication, and for want of disk. */
  ER_ERROR_DURING_COMMIT: 1180,
  ER_GET_TEMPORARY_ERRMSG: 1297,
  ER_LOCK_ABORTED: 1689,
  ER_LOCK_NOWAIT: 3572,
  // Group replication: no majority, or a member that is not in sync.
  ER_RUN_HOOK_ERROR: 3100,
  ER_GR_HOLD_WAIT_TIMEOUT: 3781,
  ER_GR_HOLD_KILLED: 3782,
  ER_GRP_TRX_CONSISTENCY_NOT_ALLOWED: 3796,
  ER_GRP_TRX_CONSISTENCY_BEFORE: 3797,
  ER_GRP_TRX_CONSISTENCY_AFTER_ON_TRX_BEGIN: 3798,
  ER_GRP_TRX_CONSISTENCY_BEGIN_NOT_ALLOWED: 3799,
  TIDB_INFO_SCHEMA_EXPIRED: 8027,
  TIDB_INFO_SCHEMA_CHANGED: 8028,
  TIDB_PD_SERVER_TIMEOUT: 9001,
  TIDB_TIKV_SERVER_TIMEOUT: 9002,
  TIDB_TIKV_SERVER_BUSY: 9003,
  TIDB_RESOLVE_LOCK_TIMEOUT: 9004,
  TIDB_REGION_UNAVAILABLE: 9005,
  TIDB_TIFLASH_SERVER_TIMEOUT: 9012,
  TIDB_TIFLASH_SERVER_BUSY: 9013,
}

/** The server stays as it is and rejects every write, while another connection may lead elsewhere. */
export const unwritable = codes(readOnly, outOfService)

/** The server has undone the transaction, which left nothing behind and may succeed at once. */
export const brokenOff = codes(undone)

/** The statement has waited for a lock as long as its session may, and is undone. */
export const lockTimeout = codes(waited)

/** The server takes no further connection of this account; those that are open may work. */
export const withoutConnection = codes(full)

/** The statement has not run: the server has no prepared form of it, or could not renew it. */
export const lostStatement = codes(unprepared)

/** The server keeps as many prepared statements as it may, of all connections. */
export const withoutRoom = codes(noRoom)
/** A statement of DDL makes what is there, or drops what is not. */
export const alreadyDone = codes(made)

/** The server has ended a statement by a time limit of its own. */
export const statementTimeout = codes(timedOut)

/** The server is there but cannot do it now; none of it is about the statement. */
export const unavailable = codes(
  { ...readOnly, ...outOfService, ...undone, ...unprepared, ...noRoom },
  { ...access, ...full, ...exhausted, ...ending, ...waited, ...busy },
)

function codes(...groups: Record<string, number>[]): ReadonlySet<number> {
  return new Set(groups.flatMap((group) => Object.values(group)))
}
