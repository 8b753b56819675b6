#!/bin/sh
# Installs the ThatDAM agent on this machine:  curl -fsSL @BASE_URL@/install.sh | sh -s -- --token td1…
# Served by your ThatDAM cloud app, which fills in its address and the checksums of the archives that it built.
# Plain POSIX sh. Everything is in functions, so that a download that was cut short does nothing.
set -eu
umask 022

base_url='@BASE_URL@'
checksums() {
  cat <<'END_OF_CHECKSUMS'
@CHECKSUMS@
END_OF_CHECKSUMS
}

usage() {
  cat <<END_OF_USAGE
usage: install.sh [--token TOKEN] [options]
  --token TOKEN        join token from the Add machine page (or in the environment as THATDAM_TOKEN)
  --dir DIR            app and state below DIR: a second installation on one machine, with its own identity and port
  --index "A;B"        folders to index
  --allow-index "A;B"  folders within which the cloud page may choose folders to index
  --port N             port of the console (8080; with --dir the next free one)
  --adopt              go into the first ring near whose owner lets this machine in: nobody has to compare six digits on it
  --no-start           install and register, start nothing
  --yes                install ffmpeg too when it is missing
  --uninstall          stop and remove the app and its service; state and media stay
  --purge              with --uninstall: remove the state too (identity, catalog, settings). Media is never removed.
END_OF_USAGE
}

say() { printf 'thatdam: %s\n' "$*"; }
fail() {
  printf 'thatdam: %s\n' "$*" >&2
  exit 1
}
have() { command -v "$1" >/dev/null 2>&1; }

need_value() { [ "$2" -ge 2 ] || fail "$1 needs a value. See --help."; }

read_options() {
  token=${THATDAM_TOKEN:-}
  unset THATDAM_TOKEN
  dir='' index='' index_given='' allow_index='' port='' adopt='' start=yes yes='' uninstall='' purge=''
  while [ $# -gt 0 ]; do
    case $1 in
      --token) need_value "$1" $#; token=$2; shift ;;
      --token=*) token=${1#*=} ;;
      --dir) need_value "$1" $#; dir=$2; shift ;;
      --dir=*) dir=${1#*=} ;;
      --index) need_value "$1" $#; index=$2 index_given=yes; shift ;;
      --index=*) index=${1#*=} index_given=yes ;;
      --allow-index) need_value "$1" $#; allow_index=$2; shift ;;
      --allow-index=*) allow_index=${1#*=} ;;
      --port) need_value "$1" $#; port=$2; shift ;;
      --port=*) port=${1#*=} ;;
      --adopt) adopt=yes ;;
      --no-start) start='' ;;
      --yes | -y) yes=yes ;;
      --uninstall) uninstall=yes ;;
      --purge) purge=yes ;;
      --help | -h) usage; exit 0 ;;
      *) usage >&2; fail "unknown option: $1" ;;
    esac
    shift
  done
  case $port in
    *[!0-9]*) fail "--port takes a number, not \"$port\"." ;;
  esac
  case $dir$index$allow_index in
    *'
'*) fail 'folder names with a line break cannot be given here: add them in the console.' ;;
  esac
}

# Sets platform: linux-x64, linux-arm64, darwin-x64, darwin-arm64.
detect_platform() {
  case $(uname -s) in
    Linux) system=linux ;;
    Darwin) system=darwin ;;
    *) fail "this script is for Linux and macOS, not for $(uname -s). On Windows use install.ps1." ;;
  esac
  case $(uname -m) in
    x86_64 | amd64) machine=x64 ;;
    aarch64 | arm64) machine=arm64 ;;
    *) fail "ThatDAM needs a 64-bit system; this one is $(uname -m). On a Raspberry Pi (3, Zero 2 or newer) install the 64-bit Raspberry Pi OS." ;;
  esac
  if [ "$system" = linux ]; then
    # The fifth byte of a program tells its word size: a 64-bit kernel may carry a 32-bit system.
    bits=$(od -An -t u1 -j 4 -N 1 /bin/sh 2>/dev/null | tr -d ' ')
    [ "$bits" != 1 ] || fail "this is a 32-bit system under a 64-bit kernel. ThatDAM needs a 64-bit one: on a Raspberry Pi install the 64-bit Raspberry Pi OS."
    for loader in /lib/ld-musl-*; do
      if [ -e "$loader" ] && ! have ldconfig; then fail 'this system uses musl (Alpine). ThatDAM needs one with glibc, such as Debian, Ubuntu or Fedora.'; fi
    done
  fi
  platform=$system-$machine
}

# Where everything lies: for the whole machine as root, for one person else, below --dir when given.
choose_places() {
  uid=$(id -u)
  if [ -n "$dir" ]; then
    # --uninstall must not make what is not there.
    if [ -z "$uninstall" ]; then mkdir -p "$dir" 2>/dev/null || fail "the folder $dir cannot be made. Choose another --dir, or run as a user who may write there."; fi
    [ -d "$dir" ] || fail "there is no folder $dir: nothing to remove."
    dir=$(cd "$dir" && pwd -P)
    app=$dir/app state=$dir/state env_file=$dir/agent.env command=$dir/thatdam
    unit=thatdam-$(printf %s "$dir" | cksum | cut -d ' ' -f 1)
  elif [ "$uid" = 0 ]; then
    app=/opt/thatdam state=/var/lib/thatdam env_file=/etc/thatdam/agent.env command=/usr/local/bin/thatdam unit=thatdam
    [ "$system" = linux ] || state='/Library/Application Support/ThatDAM'
  else
    [ -n "${HOME:-}" ] || fail 'HOME is not set: say where to install with --dir DIR.'
    data=${XDG_DATA_HOME:-$HOME/.local/share}
    app=$data/thatdam-app state=$data/thatdam command=$HOME/.local/bin/thatdam unit=thatdam
    [ "$system" = linux ] || state="$HOME/Library/Application Support/ThatDAM"
    env_file=$state/agent.env
  fi
  log=$app/agent.log
  pid_file=$app/agent.pid
}

# Sets version, file, sha256 for this platform.
choose_archive() {
  line=$(checksums | grep "^$platform " || true)
  if [ -z "$line" ]; then
    others=$(checksums | cut -d ' ' -f 1 | tr '\n' ' ')
    fail "$base_url has no agent for $platform (it has: ${others:-none}). An archive is built on a machine of its own platform: see the README there."
  fi
  sha256=$(printf '%s\n' "$line" | cut -d ' ' -f 2)
  file=$(printf '%s\n' "$line" | cut -d ' ' -f 3)
  version=${file#thatdam-agent-}
  version=${version%"-$platform.tar.gz"}
  release=$app/releases/$version
}

check_space() {
  probe=$app
  while [ ! -d "$probe" ]; do probe=$(dirname "$probe"); done
  free=$(df -Pk "$probe" | awk 'NR == 2 { print $4 }')
  if [ -n "$free" ] && [ "$free" -lt 512000 ]; then
    fail "there are only $((free / 1024)) MB free for $app, and 500 MB are needed. Free some space, or choose another disk with --dir DIR."
  fi
}

download() {
  if have curl; then
    curl -fsSL --retry 2 --connect-timeout 15 -o "$2" "$1"
  elif have wget; then
    wget -q -T 60 -t 3 -O "$2" "$1"
  else
    fail 'neither curl nor wget is here. Install one of them, then run this again.'
  fi
}

sha256_of() {
  if have sha256sum; then
    sha256sum "$1" | cut -d ' ' -f 1
  elif have shasum; then
    shasum -a 256 "$1" | cut -d ' ' -f 1
  elif have openssl; then
    openssl dgst -sha256 -r "$1" | cut -d ' ' -f 1
  else
    fail 'no program for SHA-256 is here (sha256sum, shasum or openssl): install one, then run this again.'
  fi
}

# Unpacks below a temporary name and renames: a release folder is whole or not there.
install_release() {
  if [ -x "$release/bin/thatdam" ]; then
    say "version $version is already here"
    return
  fi
  check_space
  mkdir -p "$app/releases" 2>/dev/null || fail "$app cannot be written. Run as a user who may, or choose another folder with --dir DIR."
  draft=$app/releases/.draft-$$
  rm -rf "$app/releases"/.draft-*
  mkdir "$draft"
  trap 'rm -rf "$draft"' EXIT
  trap 'exit 130' HUP INT TERM
  say "fetching $file"
  download "$base_url/releases/$file" "$draft/archive" || fail "fetching $base_url/releases/$file failed. Is the address reachable from this machine?"
  found=$(sha256_of "$draft/archive")
  [ "$found" = "$sha256" ] || fail "the archive's checksum is wrong (got $found, expected $sha256): nothing was installed. Run the command again; if it stays wrong, something between this machine and $base_url changes the download."
  mkdir "$draft/release"
  tar -xzf "$draft/archive" -C "$draft/release" || fail "unpacking into $app failed. Is the disk full?"
  [ "$uid" != 0 ] || chown -R 0:0 "$draft/release"
  mv "$draft/release" "$release"
  rm -rf "$draft"
  trap - EXIT HUP INT TERM
  say "version $version is in $release"
}

# current → releases/VERSION in one step; the release before stays, older ones go.
switch_release() {
  previous=$(readlink "$app/current" 2>/dev/null || true)
  ln -s "releases/$version" "$app/.current-$$"
  # mv must replace the link, not move into the folder that it points to: GNU says -T, BSD -h.
  mv -T "$app/.current-$$" "$app/current" 2>/dev/null || mv -h "$app/.current-$$" "$app/current" 2>/dev/null || {
    rm -f "$app/current"
    mv "$app/.current-$$" "$app/current"
  }
  for old in "$app/releases"/*; do
    name=releases/$(basename "$old")
    if [ "$name" != "releases/$version" ] && [ "$name" != "$previous" ]; then rm -rf "$old"; fi
  done
}

# KEY="value": read alike by sh and by systemd's EnvironmentFile.
env_line() { printf '%s="%s"\n' "$1" "$(printf %s "$2" | sed 's/[\\"`$]/\\&/g')"; }
sh_quote() { printf "'%s'" "$(printf %s "$1" | sed "s/'/'\\\\''/g")"; }
# A path as a person can paste it.
shown() {
  case $1 in
    *[!A-Za-z0-9_./-]*) sh_quote "$1" ;;
    *) printf %s "$1" ;;
  esac
}

# The next port from 8080 on that nobody has.
free_port() {
  "$app/current/bin/node" -e '
    const net = require("node:net")
    const attempt = (port) => {
      const server = net.createServer()
      server.once("error", () => (port < 8180 ? attempt(port + 1) : process.exit(1)))
      server.listen(port, () => server.close(() => process.stdout.write(String(port))))
    }
    attempt(8080)'
}

# Settings of this installation. What was set before and is not given now stays.
write_settings() {
  if [ ! -d "$state" ]; then
    if ! mkdir -p "$(dirname "$state")" || ! (umask 077 && mkdir "$state"); then fail "the state directory $state cannot be made."; fi
  fi
  mkdir -p "$(dirname "$env_file")" "$(dirname "$command")"
  kept=''
  # Also what somebody wrote there by hand.
  if [ -r "$env_file" ]; then
    kept=$(grep -v -e '^STATE_DIR=' ${index_given:+-e '^INDEX_PATHS='} ${port:+-e '^SERVICE_PORT='} ${adopt:+-e '^ADOPT='} "$env_file" || true)
  fi
  if [ -z "$port" ] && [ -n "$dir" ] && ! printf '%s\n' "$kept" | grep -q '^SERVICE_PORT='; then
    port=$(free_port) || fail 'no free port between 8080 and 8180: give one with --port N.'
  fi
  {
    env_line STATE_DIR "$state"
    if [ -n "$index_given" ]; then env_line INDEX_PATHS "$index"; fi
    if [ -n "$port" ]; then env_line SERVICE_PORT "$port"; fi
    if [ -n "$adopt" ]; then env_line ADOPT 1; fi
    if [ -n "$kept" ]; then printf '%s\n' "$kept"; fi
  } >"$env_file.$$"
  mv "$env_file.$$" "$env_file"
  {
    printf '#!/bin/sh\n# Made by the ThatDAM installer: this installation'\''s agent with its settings.\n'
    # shellcheck disable=SC2016 # the made script expands it
    printf 'if [ -z "${STATE_DIR:-}" ] && [ -r %s ]; then\n  set -a\n  . %s\n  set +a\nfi\n' "$(sh_quote "$env_file")" "$(sh_quote "$env_file")"
    printf 'exec %s "$@"\n' "$(sh_quote "$app/current/bin/thatdam")"
  } >"$command.$$"
  chmod 755 "$command.$$"
  mv "$command.$$" "$command"
}

# Runs this installation's agent with this installation's settings, whatever the caller's environment says.
agent() {
  (
    unset STATE_DIR DATA_ROOT CAS_ROOT INDEX_PATHS SERVICE_PORT NODE_ID ADOPT
    exec "$command" "$@"
  )
}

# The token goes through a pipe: it never stands in a process list.
register() {
  if [ -z "$token" ]; then
    if [ -f "$state/credential.json" ]; then return; fi
    if [ -n "$adopt" ]; then
      say "no token given: this machine waits to be let into a ring near. Do it in that ring's console, under Nodes."
    else
      say "no token given: this machine runs by itself. To register it later: $(shown "$command") register --url $base_url"
    fi
    return
  fi
  set -- register --starts-next --token - --url "$base_url"
  # Split at each ; and nowhere else.
  words=$IFS
  IFS=';'
  set -f
  for folder in $allow_index; do
    if [ -n "$folder" ]; then set -- "$@" --allow-index "$folder"; fi
  done
  set +f
  IFS=$words
  printf '%s\n' "$token" | agent "$@" || registering_failed
}

# What ran here before runs on: a wrong token must not stop anybody's recording.
registering_failed() {
  if [ -z "$was_running" ]; then
    fail "registering failed; the reason is above. The app is installed but not started: make a new token on the Add machine page and run the command again."
  fi
  start_agent
  fail "registering failed; the reason is above. The agent that was here runs on as it was ($started_by)."
}

has_systemd() { [ -d /run/systemd/system ] && have systemctl; }
systemctl_here() { if [ "$uid" = 0 ]; then systemctl "$@"; else systemctl --user "$@"; fi; }
user_systemd_works() { [ "$uid" = 0 ] || systemctl --user show-environment >/dev/null 2>&1; }
unit_file() { if [ "$uid" = 0 ]; then printf /etc/systemd/system/%s.service "$unit"; else printf '%s/systemd/user/%s.service' "${XDG_CONFIG_HOME:-$HOME/.config}" "$unit"; fi; }
plist_file() { if [ "$uid" = 0 ]; then printf /Library/LaunchDaemons/app.thatdam.%s.plist "$unit"; else printf '%s/Library/LaunchAgents/app.thatdam.%s.plist' "$HOME" "$unit"; fi; }
launch_domain() { if [ "$uid" = 0 ]; then printf system; else printf 'gui/%s' "$uid"; fi; }

# Fills a template of the release: NAME=VALUE pairs replace @NAME@.
fill() {
  template=$1
  shift
  script=''
  for pair in "$@"; do
    value=$(printf %s "${pair#*=}" | sed 's/[\\|&]/\\&/g')
    script="${script}s|@${pair%%=*}@|$value|g;"
  done
  sed "$script" "$template"
}

# For a value between two tags of a plist.
xml_text() { printf %s "$1" | sed 's/&/\&amp;/g; s/</\&lt;/g; s/>/\&gt;/g'; }

# Sets started_by; empty: it starts later.
start_agent() {
  if has_systemd && user_systemd_works; then
    start_systemd
  elif [ "$system" = darwin ]; then
    start_launchd
  else
    start_detached
  fi
}

start_systemd() {
  template=$app/current/share/systemd/thatdam.service
  [ "$uid" = 0 ] || template=$app/current/share/systemd/thatdam-user.service
  mkdir -p "$(dirname "$(unit_file)")"
  # A % in a path would be a specifier of systemd's.
  fill "$template" "BASE_URL=$base_url" "CURRENT=$(printf %s "$app/current" | sed 's/%/%%/g')" "ENV_FILE=$(printf %s "$env_file" | sed 's/%/%%/g')" >"$(unit_file)"
  systemctl_here daemon-reload
  systemctl_here enable --quiet "$unit" || fail "systemd did not take the unit $(unit_file)."
  systemctl_here restart "$unit" || fail "the agent did not start: see journalctl -u $unit."
  if [ "$uid" != 0 ] && have loginctl; then
    loginctl enable-linger >/dev/null 2>&1 || say "it stops when you sign out. To keep it running:  sudo loginctl enable-linger $(id -un)"
  fi
  started_by="systemd unit $unit"
}

start_launchd() {
  plist=$(plist_file)
  mkdir -p "$(dirname "$plist")"
  fill "$app/current/share/launchd/app.thatdam.agent.plist" "LABEL=app.thatdam.$unit" "COMMAND=$(xml_text "$command")" >"$plist"
  # Of an installation before, without a bound.
  rm -f "$log"
  launchctl bootout "$(launch_domain)/app.thatdam.$unit" >/dev/null 2>&1 || true
  if launchctl bootstrap "$(launch_domain)" "$plist"; then
    started_by="launchd job app.thatdam.$unit"
    return
  fi
  # Over SSH, while nobody is signed in at its screen, a Mac has no session for it.
  if [ "$uid" = 0 ] || launchctl print "$(launch_domain)" >/dev/null 2>&1; then fail "launchd did not take $plist."; fi
  started_by=''
  say "nobody is signed in at this Mac: it starts when $(id -un) signs in. To start it with the machine, install it with sudo instead."
}

start_detached() {
  # What it says before its own logs begin; a big one is put aside.
  if [ -f "$log" ] && [ "$(wc -c <"$log")" -gt 5000000 ]; then mv "$log" "$log.1"; fi
  starter='nohup'
  if have setsid; then starter='setsid nohup'; fi
  # A new session without this script's terminal: closing it stops nothing.
  (
    unset STATE_DIR DATA_ROOT CAS_ROOT INDEX_PATHS SERVICE_PORT NODE_ID ADOPT
    exec $starter "$command" run >>"$log" 2>&1 </dev/null
  ) &
  pid=$!
  printf '%s\n' "$pid" >"$pid_file"
  waited=0
  until grep -q "\"pid\": *${pid}[,}]" "$state/local.json" 2>/dev/null; do
    if ! kill -0 "$pid" 2>/dev/null; then
      rm -f "$pid_file"
      tail -n 5 "$log" >&2
      fail "the agent stopped at once; its last lines are above (all in $log)."
    fi
    waited=$((waited + 1))
    if [ "$waited" -gt 60 ]; then
      say "the agent is still starting; its log is $log"
      break
    fi
    sleep 0.5
  done
  started_by="process $pid, log $log"
}

# Only a process that runs from this installation is ended, never one that was given the same number later.
our_process() {
  [ -n "$1" ] && [ -d "$app" ] || return 1
  if [ -r "/proc/$1/cmdline" ]; then tr '\0' ' ' <"/proc/$1/cmdline"; else ps -p "$1" -o args= 2>/dev/null; fi | grep -qF "$(cd "$app" && pwd -P)/"
}

# Sets was_running when there was one.
stop_agent() {
  was_running=''
  if has_systemd && [ -f "$(unit_file)" ]; then
    if systemctl_here is-active --quiet "$unit"; then was_running=yes; fi
    systemctl_here stop "$unit" >/dev/null 2>&1 || true
  fi
  if [ "$system" = darwin ] && [ -f "$(plist_file)" ] && launchctl bootout "$(launch_domain)/app.thatdam.$unit" >/dev/null 2>&1; then was_running=yes; fi
  # The agent writes its own number too: one that was started by hand from here is stopped as well.
  for known in "$pid_file" "$state/agent.pid"; do
    [ -r "$known" ] || continue
    pid=$(head -n 1 "$known" | tr -dc 0-9)
    if our_process "$pid"; then
      was_running=yes
      stop_process "$pid"
    fi
  done
  rm -f "$pid_file"
}

stop_process() {
  kill "$1" 2>/dev/null || return 0
  waited=0
  while kill -0 "$1" 2>/dev/null && our_process "$1"; do
    waited=$((waited + 1))
    if [ "$waited" -eq 120 ]; then
      say "the agent (process $1) did not stop in 30 s: ending it"
      kill -9 "$1" 2>/dev/null || true
    fi
    [ "$waited" -lt 160 ] || fail "process $1 cannot be ended. Restart the machine, then run this again."
    sleep 0.25
  done
}

ffmpeg_command() {
  if have apt-get; then echo 'apt-get install -y ffmpeg'
  elif have dnf; then echo 'dnf install -y ffmpeg-free'
  elif have pacman; then echo 'pacman -S --noconfirm ffmpeg'
  elif have zypper; then echo 'zypper --non-interactive install ffmpeg'
  elif have brew; then echo 'brew install ffmpeg'
  fi
}

check_ffmpeg() {
  if [ -n "${FFMPEG_PATH:-}" ] || have ffmpeg; then return; fi
  how=$(ffmpeg_command)
  if [ -z "$how" ]; then
    say 'ffmpeg is missing: cameras and video previews wait for it. Install it from https://ffmpeg.org/download.html'
    return
  fi
  sudo=''
  case $how in
    brew*) ;;
    *) [ "$uid" = 0 ] || sudo='sudo ' ;;
  esac
  if [ -n "$yes" ]; then
    # Never a password prompt: sudo -n gives up instead.
    if [ -z "$sudo" ] || sudo -n true 2>/dev/null; then
      say "installing ffmpeg: $sudo$how"
      prefix=''
      [ -z "$sudo" ] || prefix='sudo -n'
      # shellcheck disable=SC2086 # words of our own list above
      if DEBIAN_FRONTEND=noninteractive $prefix $how >/dev/null </dev/null; then return; fi
      say 'that failed.'
    fi
  fi
  say "ffmpeg is missing: cameras and video previews wait for it. Install it with:  $sudo$how"
}

check_cameras() {
  [ "$uid" != 0 ] || return 0
  for node in /dev/video0 /dev/video1 /dev/video2; do
    if [ -e "$node" ] && [ ! -r "$node" ]; then
      say "the camera $node may not be read by $(id -un). Allow it with:  sudo usermod -aG video $(id -un)   (then sign in again)"
      return 0
    fi
  done
}

# Yes only when a person says so; without a terminal nobody is asked.
ask() {
  { [ -t 1 ] && [ -r /dev/tty ]; } || return 1
  printf 'thatdam: %s [y/N] ' "$1" >/dev/tty
  read -r answer </dev/tty || return 1
  case $answer in
    [yY]*) return 0 ;;
  esac
  return 1
}

uninstall() {
  if [ ! -e "$app" ] && [ ! -e "$state" ]; then
    say "nothing of ThatDAM is in $app or $state: nothing to remove."
    return
  fi
  stop_agent
  if [ -z "$purge" ] && [ -d "$state" ] && ask "Remove this machine's identity, settings and catalog too? Media stays in any case."; then purge=yes; fi
  if [ -n "$purge" ] && [ -f "$state/credential.json" ] && [ -x "$command" ]; then
    agent unregister </dev/null >/dev/null 2>&1 || say "the cloud could not be told; remove this machine on its page “Machines”."
  fi
  if has_systemd && [ -f "$(unit_file)" ]; then
    systemctl_here disable --quiet "$unit" >/dev/null 2>&1 || true
    rm -f "$(unit_file)"
    systemctl_here daemon-reload
  fi
  if [ "$system" = darwin ]; then rm -f "$(plist_file)"; fi
  rm -rf "$app"
  rm -f "$command"
  [ -z "$purge" ] || remove_state
  if [ -n "$purge" ]; then rm -f "$env_file"; fi
  if [ "$env_file" = /etc/thatdam/agent.env ]; then rmdir /etc/thatdam 2>/dev/null || true; fi
  if [ -n "$dir" ]; then rmdir "$dir" 2>/dev/null || true; fi
  say 'the app and its service are removed.'
  if [ -d "$state" ]; then say "kept: $state"; fi
  if [ -d "$state/store" ]; then say "kept: your recordings and uploads in $state/store"; fi
  say 'Indexed folders were never changed: your originals are where they were.'
}

# All of the state but what may be somebody's only copy: the store, and recordings that are still open.
remove_state() {
  [ -d "$state" ] || return 0
  # A store that never held a blob has only its own mark.
  if [ -d "$state/store" ] && [ -z "$(find "$state/store" -type f ! -name .thatdam | head -n 1)" ]; then rm -rf "$state/store"; fi
  for item in "$state"/* "$state"/.[!.]*; do
    case ${item##*/} in
      store | captures) ;;
      *) rm -rf "$item" ;;
    esac
  done
  find "$state" -depth -type d -empty -exec rmdir {} \; 2>/dev/null || true
}

main() {
  read_options "$@"
  detect_platform
  choose_places
  if [ -n "$uninstall" ]; then
    uninstall
    return
  fi
  choose_archive
  install_release
  stop_agent
  switch_release
  write_settings
  register
  token=""
  check_ffmpeg
  check_cameras
  if [ -z "$start" ]; then
    say "installed, not started. Start it with:  $(shown "$command") run"
    return
  fi
  start_agent
  if [ -n "$started_by" ]; then say "ThatDAM $version runs ($started_by)."; else say "ThatDAM $version is installed."; fi
  say "See how it is with:  $(shown "$command") status      Remove it with:  sh $(shown "$app/current/share/install.sh") --uninstall${dir:+ --dir $(shown "$dir")}"
}

main "$@"
