# Multiplies with lines. Usage: perl multiply.pl [PORT [A B]]
use strict;
use warnings;
use IO::Socket::IP; # knows ::1 and 127.0.0.1; IO::Socket::INET only the latter

my ($port, $a, $b) = ($ARGV[0] // 65432, $ARGV[1] // 5, $ARGV[2] // 10);
my $connection = IO::Socket::IP->new(PeerHost => 'localhost', PeerPort => $port, Type => SOCK_STREAM)
    or die "localhost:$port: $@\n";
print $connection "$a $b\n";          # on the wire: "5 10\n"; these handles flush by themselves
print STDERR scalar <$connection>;    # Data received
my $reply = <$connection> // die "the connection ended\n"; # 50.0
die $reply if $reply =~ /^Error: /;
print $reply;
