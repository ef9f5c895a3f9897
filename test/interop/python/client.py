"""Calls the service at ADDRESS by grpcio: one line a check; exits with 1 when one fails."""

import sys
import threading
import time
import urllib.request

import grpc
from api.user.v1 import user_pb2 as pb
from api.user.v1 import user_pb2_grpc
from google.protobuf.field_mask_pb2 import FieldMask
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)
from grpc_status import rpc_status
from health.v1 import health_pb2, health_pb2_grpc
from relay import PING, Relay

ADDRESS, METRICS = sys.argv[1:3]
LONG_S = 30 * 24 * 3600  # beyond 24.8 days, the longest timer of JavaScript
CALL_S = 30
failed = 0


def check(title):
    def run(function):
        global failed
        try:
            function()
            print(f"ok {title}")
        except Exception as err:
            failed += 1
            print(f"FAILED {title}: {type(err).__name__}: {err}")

    return run


def same(got, right):
    assert got == right, f"got {got!r}, right is {right!r}"


def refused(call, code, reason=None):
    """Makes a call that must fail, and gives the details of its error."""
    try:
        call()
    except grpc.RpcError as err:
        same(err.code(), code)
        status = rpc_status.from_call(err)
        details = list(status.details) if status else []
        if reason is not None:
            info = ErrorInfo()
            assert any(each.Unpack(info) for each in details), "there is no ErrorInfo"
            same(info.reason, reason)
        return details
    raise AssertionError(f"the call succeeded, right is {code}")


channel = grpc.insecure_channel(ADDRESS)
users = user_pb2_grpc.UserStub(channel)
health = health_pb2_grpc.HealthStub(channel)


def create(name, stub=users, **options):
    request = pb.CreateUserRequest(name=name, email=f"{name}@example.org")
    return stub.CreateUser(request, timeout=CALL_S, **options)


@check("a user is created, read, listed, changed by a mask and deleted")
def life():
    made = create("life")
    got = users.GetUser(pb.GetUserRequest(id=made.id), timeout=CALL_S)
    same((got.name, got.email), ("life", "life@example.org"))
    listed = users.ListUsers(pb.ListUsersRequest(), timeout=CALL_S)
    assert made.id in [user.id for user in listed.users], "the list lacks the user"
    fields = pb.UserFields(name="changed", email="ignored@example.org")
    mask = FieldMask(paths=["name"])
    request = pb.UpdateUserRequest(id=made.id, user=fields, update_mask=mask)
    changed = users.UpdateUser(request, timeout=CALL_S)
    same((changed.name, changed.email), ("changed", "life@example.org"))
    users.DeleteUser(pb.DeleteUserRequest(id=made.id), timeout=CALL_S)
    gone = lambda: users.GetUser(pb.GetUserRequest(id=made.id), timeout=CALL_S)
    refused(gone, grpc.StatusCode.NOT_FOUND, "USER_NOT_FOUND")


@check("a taken mail address is ALREADY_EXISTS with its reason")
def taken():
    create("taken")
    refused(lambda: create("taken"), grpc.StatusCode.ALREADY_EXISTS, "USER_ALREADY_EXISTS")


@check("bad input is INVALID_ARGUMENT with the field in BadRequest")
def bad_input():
    request = pb.CreateUserRequest(name=" ", email="bad@example.org")
    call = lambda: users.CreateUser(request, timeout=CALL_S)
    bad = BadRequest()
    details = refused(call, grpc.StatusCode.INVALID_ARGUMENT)
    assert any(each.Unpack(bad) for each in details), "there is no BadRequest"
    same([violation.field for violation in bad.field_violations], ["name"])


@check("a deadline of 50 ms ends a Watch with DEADLINE_EXCEEDED")
def short_deadline():
    watch = lambda: list(health.Watch(health_pb2.HealthCheckRequest(), timeout=0.05))
    refused(watch, grpc.StatusCode.DEADLINE_EXCEEDED)


@check("a deadline of 30 days is no deadline of 0")
def long_deadline():
    users.ListUsers(pb.ListUsersRequest(), timeout=LONG_S)


@check("metadata, text and binary, is accepted, and the answer has initial metadata")
def metadata():
    sent = (("x-text", "a"), ("x-bytes-bin", b"\x00\xff"))
    _, call = users.ListUsers.with_call(pb.ListUsersRequest(), timeout=CALL_S, metadata=sent)
    same(call.code(), grpc.StatusCode.OK)
    assert len(call.initial_metadata()) > 0, "there is no initial metadata"


@check("a gzipped request is read")
def gzip():
    request = pb.CreateUserRequest(name="z" * 90, email="gzip@example.org")
    made = users.CreateUser(request, timeout=CALL_S, compression=grpc.Compression.Gzip)
    same(made.name, "z" * 90)


@check("reflection gives the service with its methods")
def reflection():
    database = ProtoReflectionDescriptorDatabase(channel)
    assert "api.user.v1.User" in database.get_services(), "the list lacks the service"
    file = database.FindFileContainingSymbol("api.user.v1.User")
    names = [method.name for method in file.service[0].method]
    same(names, [method.name for method in pb.DESCRIPTOR.services_by_name["User"].methods])


@check("health: Check and the first message of Watch are SERVING")
def healthy():
    serving = health_pb2.HealthCheckResponse.SERVING
    request = health_pb2.HealthCheckRequest()
    same(health.Check(request, timeout=CALL_S).status, serving)
    watch = health.Watch(request, timeout=CALL_S)
    same(next(watch).status, serving)
    watch.cancel()


@check("a long answer is gzipped")
def gzipped_answer():
    with Relay(ADDRESS) as relay, grpc.insecure_channel(relay.address) as channel:
        stub = user_pb2_grpc.UserStub(channel)
        for number in range(20):
            create(f"gzipped-{number}", stub)
        relay.data.clear()
        listed = stub.ListUsers(pb.ListUsersRequest(), timeout=CALL_S)
        assert len(listed.users) == 20, "the list is too short"
        same(relay.data[0], 1)  # the flag of a compressed message
        assert len(relay.data) * 2 < listed.ByteSize(), "the answer is not smaller"


@check("keepalive pings each second go over the wire, are answered and leave a stream open")
def keepalive():
    options = [
        ("grpc.keepalive_time_ms", 1000),
        ("grpc.keepalive_timeout_ms", 10000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
    ]
    with Relay(ADDRESS) as relay, grpc.insecure_channel(relay.address, options) as pinging:
        stub = health_pb2_grpc.HealthStub(pinging)
        watch = lambda: list(stub.Watch(health_pb2.HealthCheckRequest(), timeout=5))
        refused(watch, grpc.StatusCode.DEADLINE_EXCEEDED)
        assert relay.sent[PING] >= 3, f"{relay.sent[PING]} pings"
        assert relay.answered >= 3, f"{relay.answered} answers"
        same((relay.goaways, relay.connections), (0, 1))


def deadlines():
    """How many watches have ended at a deadline, by the metrics of the service."""
    with urllib.request.urlopen(f"http://{METRICS}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    wanted = ("server_requests_code_total{", "Health/Watch", '"DEADLINE_EXCEEDED"')
    counts = [line for line in lines if all(part in line for part in wanted)]
    return sum(int(line.rsplit(" ", 1)[1]) for line in counts)


@check("the service ends a stream at its client's deadline by itself")
def ended_by_service():
    before = deadlines()
    with Relay(ADDRESS) as relay, grpc.insecure_channel(relay.address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        watch = stub.Watch(health_pb2.HealthCheckRequest(), timeout=0.5)
        next(watch)
        relay.muted = True  # what the client sends at its deadline does not arrive
        refused(lambda: next(watch), grpc.StatusCode.DEADLINE_EXCEEDED)
        end = time.monotonic() + CALL_S
        while deadlines() == before and time.monotonic() < end:
            time.sleep(0.05)
    same(deadlines(), before + 1)


@check("two channels of their own connections are served at once")
def two_channels():
    errors = []

    def work(number):
        options = [("grpc.use_local_subchannel_pool", 1)]
        try:
            with grpc.insecure_channel(ADDRESS, options) as own:
                stub = user_pb2_grpc.UserStub(own)
                for turn in range(20):
                    create(f"channel-{number}-{turn}", stub)
        except grpc.RpcError as err:
            errors.append(err)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    same(errors, [])


channel.close()
sys.exit(1 if failed else 0)
