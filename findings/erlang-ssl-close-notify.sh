#!/usr/bin/env bash
# Erlang/OTP 25 (Debian 12, ssl 10.8.7), a passive TLS socket, read to its end with ssl:recv(Socket, 0): whether it notices the
# end depends on how the peer's bytes are split into segments.
# - The peer's close_notify arrives in a segment of its own: {error, closed}, as it should be. But Erlang has then sent a
#   close_notify itself, even under {exit_on_close, false}, which ssl:shutdown/2 recommends "to handle siblings that
#   close their write side": nothing that is sent afterwards arrives, although ssl:send() mostly returns ok.
# - It arrives in one segment with the last data: the data is returned, and the next recv does not notice it and times out,
#   while the peer waits for its reply (a reply sent at this point arrives).
# RFC 8446, 6.1 (and 5.1: a segment may hold several records): close_notify ends only one direction.
# Seen in TLS 1.2 and 1.3. The client is CPython's ssl, whose records are written to the socket together or 0.3 s apart.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
cd "$folder"
version=1:25.2.3+dfsg-1+deb12u4
apt-get -q -o APT::Sandbox::User=root download "erlang-base=$version" "erlang-ssl=$version" "erlang-public-key=$version" \
    "erlang-asn1=$version" "erlang-crypto=$version" > apt.log 2>&1 || { cat apt.log; exit 1; }
for package in *.deb; do dpkg -x "$package" root; done
export ROOTDIR=$folder/root/usr/lib/erlang EMU=beam PROGNAME=erl
BINDIR=$(echo "$ROOTDIR"/erts-*/bin)
export BINDIR PATH=$BINDIR:$PATH
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out cert.pem -subj /CN=localhost \
    -days 30 2> /dev/null
cat > server.escript <<'ERL'
#!/usr/bin/env escript
main([Version, Open]) ->
    {ok, _} = application:ensure_all_started(ssl),
    {ok, Listener} = ssl:listen(0, [{certfile, "cert.pem"}, {keyfile, "key.pem"}, {versions, [list_to_atom(Version)]},
        binary, {active, false}, {exit_on_close, Open =/= "open"}, {ip, {127, 0, 0, 1}}]),
    {ok, {_, Port}} = ssl:sockname(Listener),
    io:format("~b~n", [Port]),
    {ok, Accepted} = ssl:transport_accept(Listener),
    {ok, Socket} = ssl:handshake(Accepted),
    {Data, Why} = read(Socket, <<>>),
    io:format("~s ~p ~p~n", [Data, Why, ssl:send(Socket, <<"reply">>)]),
    timer:sleep(300),
    ssl:close(Socket).
read(Socket, Data) ->
    case ssl:recv(Socket, 0, 2000) of
        {ok, More} -> read(Socket, <<Data/binary, More/binary>>);
        {error, Why} -> {Data, Why}
    end.
ERL
cat > ask.py <<'PY'
import os, socket, ssl, subprocess, time

def ask(version, end, apart):
    erlang = [os.environ["BINDIR"] + "/erlexec", "-noshell", "-boot", "start_clean", "-run", "escript", "start",
              "-extra", "server.escript", version, end]
    server = subprocess.Popen(erlang, stdout=subprocess.PIPE, text=True)
    try:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        received, to_send = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(received, to_send)
        connection = socket.create_connection(("127.0.0.1", int(server.stdout.readline())), timeout=10)
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                connection.sendall(to_send.read())
                received.write(connection.recv(65536))
        connection.sendall(to_send.read())
        tls.write(b"hello")
        if apart:
            connection.sendall(to_send.read())
            time.sleep(0.3)
        try:
            tls.unwrap()  # writes the close_notify, and reads no reply: that is read here
        except ssl.SSLWantReadError:
            pass
        connection.sendall(to_send.read())
        while piece := connection.recv(65536):
            received.write(piece)
        try:
            reply = tls.read(100)
        except ssl.SSLZeroReturnError:
            reply = b""
        data, why, sent = server.stdout.readline().split()
    finally:
        server.terminate()
        server.wait()
    return data, why, sent, reply

changed = False
for version in ("tlsv1.2", "tlsv1.3"):
    for end in ("default", "open"):
        for apart, expected in ((True, ("hello", "closed", b"")), (False, ("hello", "timeout", b"reply"))):
            data, why, sent, reply = ask(version, end, apart)
            print(version, {"default": "", "open": "exit_on_close false "}[end] + ("apart:" if apart else "together:"),
                  f"recv said {data}, then {why}; send said {sent}; the client has {reply}")
            changed |= (data, why, reply) != expected
assert not changed, "this has changed"
PY
timeout 120 python3 ask.py
