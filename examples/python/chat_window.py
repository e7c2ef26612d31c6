"""A chat window. Usage: chat_window.py [PORT [NAME]]"""
import queue
import socket
import sys
import threading
import tkinter

heard = queue.Queue()  # Tk may be called only from its own thread: the listener passes messages through this queue


def listen(lines):
    for line in lines:
        heard.put(line.rstrip("\n"))
    heard.put(None)


def show():
    while not heard.empty():
        if (line := heard.get()) is None:
            return window.destroy()
        messages.insert(tkinter.END, line)
    window.after(50, show)


def say(event=None):
    connection.sendall(entry.get().encode() + b"\n")  # one line is one message
    entry.delete(0, tkinter.END)


port, name = (sys.argv[1:] + ["33000", "alice"][len(sys.argv) - 1:])[:2]
try:
    connection = socket.create_connection(("localhost", int(port)))
except OSError as error:
    sys.exit(f"localhost:{port}: {error}")
connection.sendall(name.encode() + b"\n")
window = tkinter.Tk(className="chat")
messages = tkinter.Listbox(window, width=60, height=20)
entry = tkinter.Entry(window)
messages.pack(), entry.pack(fill=tkinter.X), entry.bind("<Return>", say)
window.protocol("WM_DELETE_WINDOW", lambda: connection.sendall(b"{quit}\n"))  # the daemon closes
threading.Thread(target=listen, args=(connection.makefile(encoding="utf-8"),), daemon=True).start()
show()
window.mainloop()
