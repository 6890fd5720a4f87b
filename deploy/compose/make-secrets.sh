#!/bin/sh
# Creates the missing secrets of docker-compose.yml: linkgate's key and the password of Redis. Each volume belongs to the
# user of its service and contains only that service's secrets.
set -eu
umask 077

# random BYTES: base64url without padding, as in `linkgate keys new`.
random() {
  head -c "$1" /dev/urandom | base64 | tr -d '=\n' | tr '+/' '-_'
}

# put FILE TEXT: writes atomically.
put() {
  printf '%s\n' "$2" > "$1.new"
  mv "$1.new" "$1"
}

cd /secrets
[ -s linkgate/keys ] || put linkgate/keys "first:$(random 32)"
if ! [ -s linkgate/store_url ] || ! [ -s redis/redis.conf ]; then
  password=$(random 24)
  put redis/password "$password"
  put redis/redis.conf "requirepass $password"
  put linkgate/store_url "redis://:$password@redis:6379"
fi
chown -R 65532:65532 linkgate redis redis-data
