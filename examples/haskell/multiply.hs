-- Multiplies with lines. Usage: multiply [PORT [A B]]
import Control.Exception (IOException, try)
import Data.List (isPrefixOf)
import Network.Socket
import System.Environment (getArgs)
import System.Exit (exitFailure)
import System.IO

multiply :: String -> String -> String -> IO String
multiply port a b = do
  let hints = defaultHints {addrSocketType = Stream}
  address : _ <- getAddrInfo (Just hints) (Just "127.0.0.1") (Just port)
  connection <- socket (addrFamily address) Stream defaultProtocol
  connect connection (addrAddress address)
  lines' <- socketToHandle connection ReadWriteMode
  -- NoBuffering, the default of such a handle, would send each character separately.
  hSetBuffering lines' LineBuffering
  hPutStrLn lines' (a ++ " " ++ b) -- on the wire: "5 10\n"
  hGetLine lines' >>= hPutStrLn stderr -- Data received
  hGetLine lines' -- 50.0

main :: IO ()
main = do
  arguments <- getArgs
  let [port, a, b] = take 3 (arguments ++ drop (length arguments) ["65432", "5", "10"])
  outcome <- try (multiply port a b) :: IO (Either IOException String)
  case outcome of
    Right reply | not ("Error: " `isPrefixOf` reply) -> putStrLn reply
    Right problem -> hPutStrLn stderr problem >> exitFailure
    Left problem -> hPutStrLn stderr ("localhost:" ++ port ++ ": " ++ show problem) >> exitFailure
