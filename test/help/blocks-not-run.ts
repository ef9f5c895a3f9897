/**
 * Blocks of commands that the test of the pages does not run, by page and first line, with the reason and what
 * runs the like.
 */
export const blocksNotRun: Record<string, string> = {
  'README.md: npm ci && npm start': 'each test of a page starts the service so; CI installs',
  'docs/cache.md: docker run --rm -p 6379:6379 redis:7':
    'needs Docker; test/e2e/cache.test.ts has a Redis of its own',
  'docs/client-package.md: npm run client -- --out ../user-service-client --name @acme/user-service-client':
    'the step client-package of verify',
  "docs/config.md: echo 'log: {level: info}' > my.yaml":
    'a job of the shell; test/e2e/log.test.ts and test/fleet/loaded.test.ts change watched files',
  'docs/config.md: CONFIG_SOURCES=etcd ETCD_ENDPOINTS=localhost:2379 npm start':
    'needs etcd; test/fleet/loaded.test.ts has one of its own',
  'docs/deployment.md: docker build -t registry.example.org/user-service:0.1.0 .':
    'needs Docker; test/deploy/image.test.ts carries the Dockerfile out',
  'docs/deployment.md: cd deploy/compose':
    'needs Docker; test/deploy/compose.test.ts reads the file',
  'docs/deployment.md: helm install users deploy/helm/user-service --namespace users --create-namespace':
    'needs a cluster; npm run chart:cluster installs the chart',
  'docs/deployment.md: kubectl create namespace users':
    'needs a cluster; npm run chart:cluster installs the chart',
  'docs/deployment.md: $ helm template users deploy/helm/user-service --set config.data.database.pool_size=1001':
    'needs Helm; npm run chart renders and refuses',
  'docs/deployment.md: $ HELM=… ETCD=… KUBE_APISERVER=… CRDS=… npm run chart:cluster':
    'needs the programs of a cluster',
  'docs/example.md: npm run example':
    'test/e2e/browser-example.test.ts serves the page on ports of its own',
  "docs/gateway.md: helm install gateway deploy/helm/user-service --set-json 'config={":
    'needs a cluster; npm run chart renders the chart',
  'docs/generator.md: npm run new -- resource book title:string pages:int32 isbn:string@unique sold_at:timestamp@optional':
    'writes into the project; test/scripts/new.test.ts makes it in a copy',
  'docs/generator.md: npm run new -- method book FindByIsbn':
    'writes into the project; test/scripts/new.test.ts makes it in a copy',
  'docs/generator.md: npm run new -- service library --dir ../library --resource book title:string pages:int32 isbn:string@unique':
    'writes a project; the step new of verify makes one and tests it',
  'docs/getting-started.md: npm ci': 'each test of a page starts the service so; CI installs',
  'docs/getting-started.md: npm run new -- resource book title:string isbn:string@unique':
    'writes into the project; test/scripts/new.test.ts makes it in a copy',
  'docs/getting-started.md: npx node scripts/test.ts test/{biz,data,e2e}/book.test.ts':
    'test/scripts/new.test.ts runs the tests of a resource in a copy',
  'docs/getting-started.md: curl -s localhost:8000/v1/books --json \'{"title":"Sketch of the Analytical Engine","isbn":"1"}\'':
    'the tests of the resource call it',
  'docs/migrations.md: npm run migration -- user_nick':
    'writes into the project; test/scripts/new.test.ts writes migrations by it in a copy',
  "docs/mysql.md: DB_DSN='mysql://app:se%40cret@127.0.0.1:3306/users' npm start":
    'needs this user in MySQL; test/data reads each form of a DSN',
  'docs/operations.md: TLS_CERT_FILE=tls.crt TLS_KEY_FILE=tls.key TLS_CLIENT_CA_FILE=clients.pem npm start':
    'needs certificates; test/e2e/client-certificates.test.ts makes some',
  'docs/operations.md: CORS_ORIGINS=https://app.example.org,http://localhost:3000 npm start':
    'test/e2e/cors.test.ts has origins of its own',
  'docs/orders.md: ORDER_ENABLED=false npm start':
    'two processes on the same ports; test/e2e/orders starts them on others',
  'docs/performance.md: npm run bench': 'takes minutes',
  'docs/performance.md: npm run bench:overload -- --storages mysql --connections rest=256,grpc=8':
    'takes minutes',
  'docs/performance.md: npm run bench:data -- --variant before=../before --variant after=. --variant again=../before':
    'takes minutes',
  'docs/registry.md: docker run --rm -p 2379:2379 gcr.io/etcd-development/etcd:v3.7.3':
    'needs Docker; test/fleet has an etcd of its own',
  'docs/scaling.md: tidb-server -P 4400 -store unistore -path /tmp/tidb -host 127.0.0.1 &':
    'needs TiDB',
  'docs/security.md: API_KEYS_FILE=keys ORDER_ENABLED=false npm start':
    'two processes with files of keys, see test/e2e/auth/between.test.ts',
  'docs/security.md: AUTH_ISSUER=https://id.example.com AUTH_AUDIENCE=user-service npm start':
    'needs an issuer; test/e2e/auth/auth.test.ts has one of its own',
  'docs/security.md: SECRET=$(openssl rand -hex 32)':
    'writes a file of keys; test/e2e/auth/auth.test.ts calls with such keys',
  "docs/streams.md: curl -sN -H 'Accept: application/x-ndjson' 'localhost:8000/v1/users:watch?snapshot=true' | jq .":
    'ends when it is stopped; test/e2e/user-streams-rest.test.ts watches',
  'docs/testing.md: npm test': 'would run itself',
  'docs/testing.md: REST_BROKEN=100000 npx node scripts/test.ts test/rest/hostile.test.ts --timeout=900':
    'takes minutes',
  'docs/testing.md: HEADS_SEED=77 HEADS_RUNS=1000 npx node scripts/test.ts test/e2e/heads.test.ts':
    'runs as a test file of its own',
  'docs/testing.md: npm run conformance': 'CI runs it after the tests',
  'docs/tracing.md: TRACING_ENDPOINT=http://localhost:4317 npm start':
    'needs a collector; test/telemetry/trace has receivers of its own',
  'docs/use.md: npx buf export . --path proto/api -o /tmp/protos':
    'the steps example-python and example-go of verify',
  'docs/watch.md: grpcurl -plaintext -d \'{"snapshot": true}\' localhost:9000 api.user.v1.User/WatchUsers':
    'ends when it is stopped; test/e2e/watch.test.ts watches',
  'examples/go/README.md: npx buf export . --path proto/api -o /tmp/protos':
    'the step example-go of verify',
  'examples/python/README.md: npx buf export . --path proto/api -o /tmp/protos':
    'the step example-python of verify',
}
