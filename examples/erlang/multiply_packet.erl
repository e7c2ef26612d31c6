#!/usr/bin/env escript
%% Multiplies with {packet, 2}: Erlang adds a length of two bytes before each message, and removes it on receipt.
%% Usage: escript multiply_packet.erl [PORT [A B]]
main([]) -> main(["65432"]);
main([Port]) -> main([Port, "5", "10"]);
main([Port, A, B]) ->
    case gen_tcp:connect("localhost", list_to_integer(Port), [binary, {packet, 2}, {active, false}], 5000) of
        {ok, Socket} ->
            ok = gen_tcp:send(Socket, [A, " ", B]), % on the wire: 00 04 "5 10"
            {ok, Acknowledgement} = gen_tcp:recv(Socket, 0, 10000), % 00 0d "Data received"
            io:put_chars(standard_error, [Acknowledgement, "\n"]),
            {ok, Reply} = gen_tcp:recv(Socket, 0, 10000), % 00 04 "50.0"
            case Reply of
                <<"Error: ", _/binary>> -> fail([Reply, "\n"]);
                _ -> io:put_chars([Reply, "\n"])
            end;
        {error, Reason} ->
            fail(["localhost:", Port, ": ", inet:format_error(Reason), "\n"])
    end.

fail(Text) ->
    io:put_chars(standard_error, Text),
    halt(1).
