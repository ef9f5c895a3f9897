"""A relay between a gRPC client and the service that sees the frames of HTTP/2."""

import collections
import socket
import threading

DATA, PING, GOAWAY = 0, 6, 7
ACK = 1
PREFACE_BYTES = 24
HEAD_BYTES = 9


class Relay:
    """Listens on `address` as a context manager; counts frames in both directions."""

    def __init__(self, target):
        host, port = target.rsplit(":", 1)
        self.target = (host, int(port))
        self.muted = False
        self.connections = 0
        self.sent = collections.Counter()
        self.answered = 0
        self.goaways = 0
        self.data = bytearray()
        self.sockets = []

    def __enter__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        self._run(self._accept)
        return self

    def __exit__(self, *_):
        for each in [self.listener, *self.sockets]:
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            each.close()

    def _run(self, work, *arguments):
        threading.Thread(target=work, args=arguments, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            server = socket.create_connection(self.target)
            self.sockets += [client, server]
            self._run(self._forward, client, server, self._on_sent, PREFACE_BYTES)
            self._run(self._forward, server, client, self._on_received, 0)

    def _on_sent(self, kind, flags, _):
        if not flags & ACK or kind != PING:
            self.sent[kind] += 1

    def _on_received(self, kind, flags, payload):
        self.answered += kind == PING and flags & ACK
        self.goaways += kind == GOAWAY
        if kind == DATA:
            self.data += payload

    def _forward(self, source, sink, on_frame, skip):
        waiting = bytearray()
        try:
            while received := source.recv(65536):
                if self.muted and on_frame == self._on_sent:
                    continue
                sink.sendall(received)
                skipped = min(skip, len(received))
                skip -= skipped
                waiting += received[skipped:]
                while len(waiting) >= HEAD_BYTES:
                    end = HEAD_BYTES + int.from_bytes(waiting[:3], "big")
                    if len(waiting) < end:
                        break
                    on_frame(waiting[3], waiting[4], bytes(waiting[HEAD_BYTES:end]))
                    del waiting[:end]
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            return
