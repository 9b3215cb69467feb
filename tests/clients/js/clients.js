// Drives a host with the JavaScript client, unmodified. KUBECONFIG names the host.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { Writable } from 'node:stream';
import test, { after, before } from 'node:test';
import * as k8s from '@kubernetes/client-node';

const IMAGE = 'example.orch.dev/hello:1';
const PATIENCE = 60_000;

const config = new k8s.KubeConfig();
config.loadFromDefault();
const core = config.makeApiClient(k8s.CoreV1Api);
const namespace = `javascript-${randomBytes(4).toString('hex')}`;

// Asks until the answer is true; what it said last is in the failure.
async function eventually(what, ask) {
  const deadline = Date.now() + PATIENCE;
  for (;;) {
    const last = await ask();
    if (last === true) return;
    if (Date.now() > deadline) assert.fail(`${what}: ${JSON.stringify(last)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function gathered() {
  const into = { text: '' };
  into.stream = new Writable({
    write(chunk, _encoding, done) {
      into.text += chunk;
      done();
    },
  });
  return into;
}

before(() => core.createNamespace({ body: { metadata: { name: namespace } } }));
after(() => core.deleteNamespace({ name: namespace }));

test('verbs', async () => {
  const body = { metadata: { generateName: 'map-', labels: { app: 'verbs' } }, data: { key: '1' } };
  const created = await core.createNamespacedConfigMap({ namespace, body });
  const name = created.metadata.name;
  created.data.key = '2';
  await core.replaceNamespacedConfigMap({ namespace, name, body: created });
  const objects = k8s.KubernetesObjectApi.makeApiClient(config);
  const own = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace } };
  for (const [kind, key] of [
    [k8s.PatchStrategy.MergePatch, 'merge'],
    [k8s.PatchStrategy.StrategicMergePatch, 'strategic'],
  ]) {
    await objects.patch({ ...own, data: { [key]: '1' } }, undefined, undefined, 'test', undefined, kind);
  }
  const applied = await objects.patch(
    { ...own, data: { applied: '1' } }, undefined, undefined, 'applier', true, k8s.PatchStrategy.ServerSideApply,
  );
  assert.deepEqual(applied.data, { key: '2', merge: '1', strategic: '1', applied: '1' });
  const listed = await core.listNamespacedConfigMap({ namespace, labelSelector: 'app=verbs' });
  assert.equal(listed.items.length, 1);
  assert.ok(listed.items[0].metadata.creationTimestamp instanceof Date);
  const deleted = await core.deleteNamespacedConfigMap({ namespace, name });
  assert.equal(deleted.status, 'Success');
  await assert.rejects(core.readNamespacedConfigMap({ namespace, name }), (error) => {
    assert.ok(error instanceof k8s.ApiException);
    assert.equal(error.code, 404);
    assert.match(String(error.body), /NotFound/);
    return true;
  });
});

test('an informer follows', async () => {
  const list = () => core.listNamespacedSecret({ namespace });
  const informer = k8s.makeInformer(config, `/api/v1/namespaces/${namespace}/secrets`, list);
  const seen = [];
  for (const event of ['add', 'update', 'delete']) {
    informer.on(event, (object) => seen.push(`${event} ${object.metadata.name}`));
  }
  informer.on('error', (error) => seen.push(`error ${error}`));
  await informer.start();
  try {
    const body = { metadata: { name: 'seen' }, stringData: { a: 'b' } };
    const created = await core.createNamespacedSecret({ namespace, body });
    await core.replaceNamespacedSecret({
      namespace, name: 'seen', body: { ...created, stringData: { a: 'c' } },
    });
    await core.deleteNamespacedSecret({ namespace, name: 'seen' });
    const expected = ['add seen', 'update seen', 'delete seen'];
    await eventually('the events', () => (seen.join() === expected.join() ? true : seen));
  } finally {
    await informer.stop();
  }
});

test('logs and exec', async () => {
  const body = { metadata: { name: 'web' }, spec: { containers: [{ name: 'web', image: IMAGE }] } };
  await core.createNamespacedPod({ namespace, body });
  await eventually('the pod', async () => {
    const { status } = await core.readNamespacedPod({ namespace, name: 'web' });
    return status.phase === 'Running' ? true : status;
  });
  await eventually('its log', async () => {
    const log = await core.readNamespacedPodLog({ namespace, name: 'web' });
    return log.includes('web serves on 8080') ? true : log;
  });
  const [out, wrong] = [gathered(), gathered()];
  const command = ['sh', '-c', 'echo said; echo wrong >&2; exit 7'];
  const status = await new Promise((resolve, reject) => {
    new k8s.Exec(config)
      .exec(namespace, 'web', 'web', command, out.stream, wrong.stream, null, false, resolve)
      .catch(reject);
  });
  assert.equal(status.status, 'Failure');
  assert.deepEqual(status.details.causes, [{ reason: 'ExitCode', message: '7' }]);
  await eventually('the output', () => (out.text === 'said\n' && wrong.text === 'wrong\n') || [out.text, wrong.text]);
});
