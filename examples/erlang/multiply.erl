#!/usr/bin/env escript
%% Multiplies with lines. Usage: escript multiply.erl [PORT [A B]]
main([]) -> main(["65432"]);
main([Port]) -> main([Port, "5", "10"]);
main([Port, A, B]) ->
    %% {packet, line}: each receive is one line, however the segments arrive.
    case gen_tcp:connect("localhost", list_to_integer(Port), [binary, {packet, line}, {active, false}], 5000) of
        {ok, Socket} ->
            ok = gen_tcp:send(Socket, [A, " ", B, "\n"]), % on the wire: "5 10\n"
            {ok, Acknowledgement} = gen_tcp:recv(Socket, 0, 10000), % Data received
            io:put_chars(standard_error, Acknowledgement),
            {ok, Reply} = gen_tcp:recv(Socket, 0, 10000), % 50.0
            case Reply of
                <<"Error: ", _/binary>> -> fail(Reply);
                _ -> io:put_chars(Reply)
            end;
        {error, Reason} ->
            fail(["localhost:", Port, ": ", inet:format_error(Reason), "\n"])
    end.

fail(Text) ->
    io:put_chars(standard_error, Text),
    halt(1).
