"""A real IMAP server under TLS on this machine: pymap. It runs as `python -m tests.plugins.imap_server CERTIFICATE KEY`."""

import asyncio
import ssl
import sys
from argparse import Namespace
from asyncio import StreamReader, StreamWriter

from proxyprotocol.sock import SocketInfoLocal
from pymap.backend.dict import DictBackend
from pymap.backend.dict.mailbox import MailboxData
from pymap.imap import IMAPServer
from pymap.parsing.specials.flag import Flag, get_system_flags

# pymap forgets keywords at the end of a session; other servers keep them
MailboxData.permanent_flags = property(lambda box: get_system_flags() | {Flag(b"$Thanks")})
USER, PASSWORD = "desk@example.com", 'a "pass"\\wörd'


async def serve(cert: str, key: str) -> None:
    """Until the process is ended; the port is the first line that it says."""
    login = {"demo_data": False, "demo_user": USER, "demo_password": PASSWORD}
    plain = {"host": None, "port": 0, "debug": False, "cert": None, "key": None, "tls": False}
    given = Namespace(**login, **plain, proxy_protocol=None, passlib_cfg=None)
    backend, config = await DictBackend.init(given, secure_auth=False, invalid_user_sleep=0)
    answer = IMAPServer(backend.login, config)

    async def greet(reader: StreamReader, writer: StreamWriter) -> None:
        await answer(reader, writer, SocketInfoLocal(writer))

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert, key)
    server = await asyncio.start_server(greet, "127.0.0.1", 0, ssl=context)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], sys.argv[2]))
