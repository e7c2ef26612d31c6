# Multiplies with lines. Usage: Rscript multiply.R [PORT [A B]]
arguments <- commandArgs(trailingOnly = TRUE)
port <- if (length(arguments) > 0) arguments[1] else "65432"
a <- if (length(arguments) > 2) arguments[2] else "5"
b <- if (length(arguments) > 2) arguments[3] else "10"
# blocking: readLines() waits for whole lines; otherwise it returns what has arrived, often nothing.
connection <- tryCatch(
  suppressWarnings(socketConnection("localhost", as.integer(port), blocking = TRUE, open = "r+", timeout = 10)),
  error = function(problem) {
    message("localhost:", port, ": ", conditionMessage(problem))
    quit(status = 1)
  }
)
writeLines(paste(a, b), connection) # on the wire: "5 10\n"
replies <- readLines(connection, n = 2) # Data received, and 50.0
close(connection)
message(replies[1])
if (length(replies) < 2 || startsWith(replies[2], "Error: ")) {
  message(if (length(replies) < 2) "the connection ended" else replies[2])
  quit(status = 1)
}
cat(replies[2], "\n", sep = "")
