"""Creates, reads, watches and deletes a user at the address given."""

import sys

import grpc
from api.user.v1 import user_pb2 as pb
from api.user.v1.user_pb2_grpc import UserStub
from google.rpc.error_details_pb2 import ErrorInfo
from grpc_status import rpc_status

DEADLINE_S = 10


def reason_of(error: grpc.RpcError) -> str:
    """The reason of a refusal; empty if the service gave none."""
    status = rpc_status.from_call(error)
    info = ErrorInfo()
    for detail in status.details if status else ():
        if detail.Unpack(info):
            return info.reason
    return ""


def main(address: str) -> None:
    with grpc.insecure_channel(address) as channel:
        users = UserStub(channel)
        made = users.CreateUser(
            pb.CreateUserRequest(name="Ada", email="ada@example.com"), timeout=DEADLINE_S
        )
        user = users.GetUser(pb.GetUserRequest(id=made.id), timeout=DEADLINE_S)
        print("got", user.id, user.name, user.email)
        watch = users.WatchUsers(pb.WatchUsersRequest(snapshot=True), timeout=DEADLINE_S)
        for event in watch:
            print("watched", pb.UserEvent.Kind.Name(event.kind), event.id)
            if event.kind == pb.UserEvent.SYNCED:
                watch.cancel()
                break
        users.DeleteUser(pb.DeleteUserRequest(id=made.id), timeout=DEADLINE_S)
        try:
            users.GetUser(pb.GetUserRequest(id=made.id), timeout=DEADLINE_S)
        except grpc.RpcError as error:
            print("refused", error.code().name, reason_of(error))


if __name__ == "__main__":
    main(sys.argv[1])
