# Chats. Usage: ruby chat.rb [PORT [NAME]]
require 'socket'

port, name = ARGV[0] || '33000', ARGV[1] || 'alice'
begin
  connection = TCPSocket.open('localhost', port)
rescue SystemCallError, SocketError => error
  abort "localhost:#{port}: #{error.message}"
end
$stdout.sync = true
connection.puts name # the first line is the name
keyboard = Thread.new do
  $stdin.each_line { |line| connection.puts line } # one line is one message
  connection.puts '{quit}'                         # the daemon says {quit} and closes
end
while (line = connection.gets) # nil once the daemon has closed
  puts line
end
keyboard.kill
