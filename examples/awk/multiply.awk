# Multiplies with lines. Usage: gawk -f multiply.awk [PORT [A B]]
# "/inet/tcp/0/HOST/PORT" is a file name to gawk: |& writes to the connection and reads from it.
BEGIN {
    port = ARGC > 1 ? ARGV[1] : 65432
    a = ARGC > 3 ? ARGV[2] : 5
    b = ARGC > 3 ? ARGV[3] : 10
    daemon = "/inet/tcp/0/localhost/" port
    PROCINFO[daemon, "NONFATAL"] = 1    # otherwise a refused connection ends gawk
    print a " " b |& daemon             # on the wire: "5 10\n"
    if ((daemon |& getline line) <= 0) {
        print "localhost:" port ": no connection, or it ended" > "/dev/stderr"
        exit 1
    }
    print line > "/dev/stderr"          # Data received
    daemon |& getline line              # 50.0
    close(daemon)
    wrong = line ~ /^Error: /
    print line > (wrong ? "/dev/stderr" : "/dev/stdout")
    exit wrong
}
