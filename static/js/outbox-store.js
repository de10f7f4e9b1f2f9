// @ts-check
// Acknowledgements that wait for a network, in IndexedDB, so that they outlive the page and the phone's sleep.

/** @typedef {{ id?: number, alert: number, comment: string, atMs: number, person: string }} Waiting */

const NAME = "factorypulse";
const STORE = "acknowledgements";

/** @returns {Promise<IDBDatabase>} */
function open() {
  return new Promise((resolve, reject) => {
    const asking = indexedDB.open(NAME, 1);
    asking.onupgradeneeded = () => asking.result.createObjectStore(STORE, { keyPath: "id", autoIncrement: true });
    asking.onsuccess = () => resolve(asking.result);
    asking.onerror = () => reject(asking.error);
  });
}

/**
 * @template T
 * @param {IDBTransactionMode} mode @param {(store: IDBObjectStore) => IDBRequest<T>} act
 * @returns {Promise<T>}
 */
async function within(mode, act) {
  const database = await open();
  try {
    return await new Promise((resolve, reject) => {
      const transaction = database.transaction(STORE, mode);
      const asking = act(transaction.objectStore(STORE));
      // Only a finished transaction is on disk.
      transaction.oncomplete = () => resolve(asking.result);
      transaction.onerror = transaction.onabort = () => reject(transaction.error);
    });
  } finally {
    database.close();
  }
}

/** @param {Waiting} waiting */
export function keep(waiting) {
  return within("readwrite", (store) => store.add(waiting));
}

/** @returns {Promise<Waiting[]>} oldest first */
export function kept() {
  return within("readonly", (store) => store.getAll());
}

/** @param {number} id */
export function drop(id) {
  return within("readwrite", (store) => store.delete(id));
}

/** When somebody signs out. */
export function dropAll() {
  return within("readwrite", (store) => store.clear());
}
