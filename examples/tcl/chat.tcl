# Chats: the event loop calls back for the keyboard and for the room. Usage: tclsh chat.tcl [PORT [NAME]]
lassign $argv port name
if {$port eq ""} { set port 33000 }
if {$name eq ""} { set name alice }
if {[catch {socket localhost $port} room]} {
    puts stderr "localhost:$port: $room"
    exit 1
}
fconfigure $room -translation lf -buffering line -encoding utf-8
puts $room $name ;# the first line is the name
fileevent $room readable {
    if {[gets $room line] >= 0} { puts $line; flush stdout } elseif {[eof $room]} { set done 1 }
}
fileevent stdin readable {
    if {[gets stdin line] >= 0} {
        puts $room $line ;# one line is one message
    } elseif {[eof stdin]} {
        fileevent stdin readable {}
        puts $room "{quit}" ;# the daemon says {quit} and closes
    }
}
vwait done
