(* Multiplies with lines. Usage: ocaml unix.cma multiply.ml [PORT [A B]] *)
let argument index default = if Array.length Sys.argv > index then Sys.argv.(index) else default

let () =
  let port = argument 1 "65432" and a = argument 2 "5" and b = argument 3 "10" in
  try
    let address = Unix.ADDR_INET (Unix.inet_addr_loopback, int_of_string port) in
    let replies, requests = Unix.open_connection address in
    Printf.fprintf requests "%s %s\n" a b; (* on the wire: "5 10\n" *)
    flush requests; (* until here nothing was sent *)
    prerr_endline (input_line replies); (* Data received *)
    let reply = input_line replies in (* 50.0 *)
    Unix.shutdown_connection replies;
    if String.starts_with ~prefix:"Error: " reply then (prerr_endline reply; exit 1);
    print_endline reply
  with
  | Unix.Unix_error (error, _, _) ->
      prerr_endline ("localhost:" ^ port ^ ": " ^ Unix.error_message error); exit 1
  | End_of_file -> prerr_endline "the connection ended"; exit 1
