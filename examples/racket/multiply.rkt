#lang racket/base
;; Multiplies with lines. Usage: racket multiply.rkt [PORT [A B]]
(require racket/tcp racket/string)

(define arguments (current-command-line-arguments))
(define (argument index default)
  (if (> (vector-length arguments) index) (vector-ref arguments index) default))
(define port (argument 0 "65432"))

(define (fail text)
  (eprintf "~a\n" text)
  (exit 1))

(define-values (replies requests)
  (with-handlers ([exn:fail:network? (lambda (problem) (fail (exn-message problem)))])
    (tcp-connect "localhost" (string->number port))))
(fprintf requests "~a ~a\n" (argument 1 "5") (argument 2 "10")) ; on the wire: "5 10\n"
(flush-output requests)                                         ; not even the end of the program would send it
(eprintf "~a\n" (read-line replies))                            ; Data received
(define reply (read-line replies))                              ; 50.0
(cond
  [(eof-object? reply) (fail "the connection ended")]
  [(string-prefix? reply "Error: ") (fail reply)]
  [else (displayln reply)])
