# Multiplies with lines. Usage: ruby multiply.rb [PORT [A B]]
require 'socket'

port, a, b = ARGV[0] || '65432', ARGV[1] || '5', ARGV[2] || '10'
begin
  TCPSocket.open('localhost', port) do |connection|
    connection.puts "#{a} #{b}"                    # on the wire: "5 10\n", in one write
    warn connection.gets.chomp                     # Data received
    reply = connection.gets or abort 'the connection ended'
    abort reply.chomp if reply.start_with? 'Error: '
    puts reply                                     # 50.0
  end
rescue SystemCallError, SocketError => error
  abort "localhost:#{port}: #{error.message}"
end
