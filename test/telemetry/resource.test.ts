import { test } from 'tap'
import { serviceResource } from '../../src/telemetry/resource.ts'

const identity = { service: 'user-service', version: '1', environment: '' }

test('the variables of a pod are attributes in a pod and nowhere else', async (t) => {
  const env = { CONTAINER_NAME: 'dev', POD_NAME: 'user-0' }
  const inPod = { ...env, KUBERNETES_SERVICE_HOST: '10.0.0.1' }
  t.match(serviceResource(identity, inPod).attributes, {
    'k8s.container.name': 'dev',
    'k8s.pod.name': 'user-0',
  })
  const names = Object.keys(serviceResource(identity, env).attributes)
  t.same(
    names.filter((name) => name.startsWith('k8s.')),
    [],
  )
})
