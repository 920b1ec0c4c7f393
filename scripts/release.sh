#!/usr/bin/env bash
# release.sh VERSION builds the archives of a release in dist/release, with their checksums and the section of the
# changelog. The result is reproducible with the same sources and the same Go, except for the archive of the chart,
# which contains the time of its creation.
set -euo pipefail
cd "$(dirname "$0")/.."
version=${1:-}
version=${version#v}
chart=$(sed -n 's/^version: //p' charts/qdrant/Chart.yaml)
[ "$version" = "$chart" ] || { echo "release: the version \"$version\" differs from that of the chart, $chart" >&2; exit 1; }

out=$PWD/dist/release
rm -rf "$out"
mkdir -p "$out"
scripts/changelog.sh "$version" >"$out/CHANGELOG.md"

staging=$(mktemp -d)
trap 'rm -rf "$staging"' EXIT
for platform in linux/amd64 linux/arm64 darwin/amd64 darwin/arm64; do
  name=vector_${version}_${platform/\//_}
  echo "compiling $name"
  mkdir "$staging/$name"
  cp LICENSE "$staging/$name/"
  CGO_ENABLED=0 GOOS=${platform%/*} GOARCH=${platform#*/} go build -trimpath -buildvcs=false -ldflags "-s -w -X main.version=$version" -o "$staging/$name/vector" ./client/cmd/vector
  tar --create --directory "$staging" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner "$name" | gzip --no-name >"$out/$name.tar.gz"
done
for platform in linux/amd64 linux/arm64; do
  echo "building the image for $platform"
  go run ./tools/image -version "$version" -platform "$platform" -tag "qdrant-shepherd:$version" -tarball "$out/qdrant-shepherd_${version}_${platform/\//_}.tar"
done
scripts/package.sh "$out"
(cd "$out" && sha256sum -- *.gz *.tar *.tgz >checksums.txt)
