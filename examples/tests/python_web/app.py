"""A small web application: what is asked for is answered in capitals."""

import sys
from http.server import BaseHTTPRequestHandler, HTTPServer


class App(BaseHTTPRequestHandler):
    def do_GET(self):
        body = self.path.lstrip("/").upper().encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    print("loading")
    HTTPServer(("127.0.0.1", int(sys.argv[1])), App).serve_forever()
