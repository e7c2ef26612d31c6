#!/usr/bin/env bash
# Multiplies with lines, using only bash. Usage: multiply.sh [PORT [A B]]
port=${1:-65432} a=${2:-5} b=${3:-10}
# No such file exists: bash itself connects. dash and sh do not know this.
exec 3<> "/dev/tcp/localhost/$port" || exit 1
printf '%s %s\n' "$a" "$b" >&3 # on the wire: "5 10\n"
read -r acknowledgement <&3    # Data received
echo "$acknowledgement" >&2
read -r reply <&3 || { echo "the connection ended" >&2; exit 1; }
case $reply in
    "Error: "*) echo "$reply" >&2; exit 1 ;;
    *) echo "$reply" ;; # 50.0
esac
