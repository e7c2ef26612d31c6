// Multiplies with lines. Usage: multiply [PORT [A B]]
#include <arpa/inet.h>
#include <iostream>
#include <stdexcept>
#include <string>
#include <sys/socket.h>

// Data arrives in pieces of any size: keep the rest for the next call.
static std::string read_line(int s, std::string &rest) {
    char piece[1024];
    while (rest.find('\n') == std::string::npos) {
        ssize_t n = recv(s, piece, sizeof piece, 0);
        if (n <= 0)
            throw std::runtime_error("the connection ended");
        rest.append(piece, n);
    }
    std::string line = rest.substr(0, rest.find('\n'));
    rest.erase(0, line.size() + 1);
    return line;
}

int main(int argc, char **argv) try {
    std::string a = argc > 3 ? argv[2] : "5", b = argc > 3 ? argv[3] : "10", rest;
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(argc > 1 ? std::stoi(argv[1]) : 65432);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int s = socket(AF_INET, SOCK_STREAM, 0);
    if (s < 0 || connect(s, reinterpret_cast<sockaddr *>(&to), sizeof to) != 0)
        throw std::runtime_error("connect: nobody listens on this port");
    std::string request = a + " " + b + "\n"; // c_str() or sizeof would send a NUL as well
    send(s, request.data(), request.size(), 0);
    std::cerr << read_line(s, rest) << '\n'; // Data received
    std::string reply = read_line(s, rest);  // 50.0
    if (reply.rfind("Error: ", 0) == 0)
        throw std::runtime_error(reply);
    std::cout << reply << '\n';
} catch (const std::exception &error) {
    return std::cerr << error.what() << '\n', 1;
}
