# The commands of the signed webhook's document, as they stand there but for the host; each prints one line of JSON.
set -e

curl -s "$BASE/webhook/test"
echo

curl -s -X POST "$BASE/webhook" \
  -H "Content-Type: application/json" \
  -d '{
    "symbol": "SPY",
    "direction": "long",
    "timeframe": "5m",
    "timestamp": "'$(date -u +%Y-%m-%dT%H:%M:%SZ)'"
  }'
echo

PAYLOAD='{"symbol":"SPY","direction":"long","timeframe":"5m","timestamp":"2026-02-05T12:00:00Z"}'
SIGNATURE=$(printf '%s' "$PAYLOAD" | openssl dgst -sha256 -hmac "$HMAC_SECRET" -hex | cut -d' ' -f2)

curl -s -X POST "$BASE/webhook" \
  -H "Content-Type: application/json" \
  -H "x-webhook-signature: $SIGNATURE" \
  -d "$PAYLOAD"
echo
