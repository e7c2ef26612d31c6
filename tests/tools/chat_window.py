"""The chat window of the course: HOST PORT.

Driven by lines on standard input: `type TEXT` types into the entry, `send` presses the button, `dump` prints what the list
shows, how often the receiving loop has turned and whether it still does. The same is printed when the window is gone."""

import json
import os
import socket
import sys
import threading
import tkinter

turns = 0


def receive():
    """What the course does: nothing but an OSError ends it, so that end of file is an endless row of empty messages."""
    global turns
    while True:
        try:
            message = client_socket.recv(1024).decode("utf8")
            turns += 1
            message_list.insert(tkinter.END, message)
        except OSError:
            break


def send(event=None):
    message = my_message.get()
    my_message.set("")
    client_socket.send(bytes(message, "utf8"))
    if message == "{quit}":
        client_socket.close()
        window.quit()


def dump():
    receives = receiver.ident is None or receiver.is_alive()
    shown = [] if turns > 1000 else message_list.get(0, tkinter.END)
    print(json.dumps({"items": list(shown), "turns": turns, "receives": receives}), flush=True)


def handle_commands(*_):
    """Each line is read whole: the test writes it in one piece."""
    commands = os.read(0, 4096).decode("utf8")
    if not commands:
        window.deletefilehandler(sys.stdin)
    for line in commands.splitlines():
        command, _, text = line.partition(" ")
        {"type": lambda: entry.insert(tkinter.END, text), "send": button.invoke, "dump": dump}[command]()


window = tkinter.Tk()
window.title("Chat")
my_message = tkinter.StringVar()
message_list = tkinter.Listbox(window, height=15, width=50)
message_list.pack()
entry = tkinter.Entry(window, textvariable=my_message)
entry.bind("<Return>", send)
entry.pack()
button = tkinter.Button(window, text="Send", command=send)
button.pack()

client_socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
client_socket.connect((sys.argv[1], int(sys.argv[2])))
receiver = threading.Thread(target=receive)
window.createfilehandler(sys.stdin, tkinter.READABLE, handle_commands)
window.after_idle(receiver.start)
window.mainloop()


def end_with_receiver():
    """A thread in the middle of insert() would wait for ever if the loop did not go on."""
    if receiver.is_alive():
        window.after(10, end_with_receiver)
    else:
        window.quit()


window.after(0, end_with_receiver)
window.mainloop()
dump()
