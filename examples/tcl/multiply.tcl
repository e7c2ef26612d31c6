# Multiplies with lines. Usage: tclsh multiply.tcl [PORT [A B]]
lassign $argv port a b
foreach {name default} {port 65432 a 5 b 10} {
    if {[set $name] eq ""} { set $name $default }
}
if {[catch {socket localhost $port} connection]} {
    puts stderr "localhost:$port: $connection"
    exit 1
}
# By default Tcl sends CR LF and buffers 4 KiB.
fconfigure $connection -translation lf -buffering line -encoding utf-8
puts $connection "$a $b"           ;# on the wire: "5 10\n"
puts stderr [gets $connection]     ;# Data received
if {[gets $connection reply] < 0} {
    puts stderr "the connection ended"
    exit 1
}
if {[string match "Error: *" $reply]} {
    puts stderr $reply
    exit 1
}
puts $reply                        ;# 50.0
