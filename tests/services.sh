#!/bin/sh
# Orthanc, Chromium and curl for the tests: installed on Debian as root, else named.
missing=""
command -v Orthanc >/dev/null 2>&1 || missing="$missing orthanc orthanc-dicomweb"
[ -e /usr/share/orthanc/plugins/libOrthancDicomWeb.so ] || case "$missing" in
  *orthanc-dicomweb*) ;;
  *) missing="$missing orthanc-dicomweb" ;;
esac
command -v chromium >/dev/null 2>&1 || missing="$missing chromium fonts-dejavu-core"
command -v curl >/dev/null 2>&1 || missing="$missing curl"
[ -n "$missing" ] || exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  echo "Installing with apt-get:$missing"
  # The tests start their own Orthanc; the package's service is not wanted.
  printf '#!/bin/sh\nexit 101\n' > /tmp/policy-rc.d && chmod +x /tmp/policy-rc.d
  had_policy=""
  [ -e /usr/sbin/policy-rc.d ] && had_policy=yes || cp /tmp/policy-rc.d /usr/sbin/policy-rc.d
  export DEBIAN_FRONTEND=noninteractive
  # shellcheck disable=SC2086
  { apt-get update -qq && apt-get install -y -qq --no-install-recommends $missing; } >/tmp/dicomnb-apt.log 2>&1
  status=$?
  [ -n "$had_policy" ] || rm -f /usr/sbin/policy-rc.d
  [ "$status" = 0 ] || tail -5 /tmp/dicomnb-apt.log
  exit "$status"
fi
echo "Not found:$missing"
echo "The tests that need them are skipped. On Debian or Ubuntu: sudo apt-get install$missing"
[ "${CI:-}" != true ] || exit 1
