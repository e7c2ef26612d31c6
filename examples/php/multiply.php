<?php // Multiplies with lines. Usage: php multiply.php [PORT [A B]]
$port = $argv[1] ?? '65432';
$a = $argv[2] ?? '5';
$b = $argv[3] ?? '10';
$connection = @stream_socket_client("tcp://localhost:$port", $number, $error, 10);
if ($connection === false) {
    fwrite(STDERR, "localhost:$port: $error\n");
    exit(1);
}
fwrite($connection, "$a $b\n"); // on the wire: "5 10\n"
fwrite(STDERR, fgets($connection)); // Data received. fread() would return whatever is there.
$reply = fgets($connection); // 50.0
if ($reply === false || str_starts_with($reply, 'Error: ')) {
    fwrite(STDERR, $reply === false ? "the connection ended\n" : $reply);
    exit(1);
}
echo $reply;
