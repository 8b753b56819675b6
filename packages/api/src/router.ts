import { cameraModels } from './asset/camera-models.ts'
import { conflicts as assetConflicts } from './asset/conflicts.ts'
import { count } from './asset/count.ts'
import { get as assetGet } from './asset/get.ts'
import { list as assetList } from './asset/list.ts'
import { rename as assetRename } from './asset/rename.ts'
import { resolve as assetResolve } from './asset/resolve.ts'
import { restore } from './asset/restore.ts'
import { setRating } from './asset/set-rating.ts'
import { trash } from './asset/trash.ts'
import { conflicts as cameraConflicts } from './camera/conflicts.ts'
import { list as cameraList } from './camera/list.ts'
import { rename as cameraRename } from './camera/rename.ts'
import { resolve as cameraResolve } from './camera/resolve.ts'
import { start } from './capture/start.ts'
import { stop } from './capture/stop.ts'
import { list as folderList } from './folder/list.ts'
import { pause, rescan, resume, retryErrors } from './index-run/commands.ts'
import { conflicts as nodeConflicts } from './node/conflicts.ts'
import { list as nodeList } from './node/list.ts'
import { remove as removeNode } from './node/remove.ts'
import { resolve as nodeResolve } from './node/resolve.ts'
import { settingsGet } from './node/settings-get.ts'
import { settingsPatch } from './node/settings-patch.ts'
import { claimByRecoveryKey } from './owner/claim-by-recovery-key.ts'
import { makeRecoveryKey } from './owner/make-recovery-key.ts'
import { setPassword } from './owner/set-password.ts'
import { adopt, answerAdoption } from './ring/adoption.ts'
import { goOver } from './ring/go-over.ts'
import { makeToken, revokeToken, tokens } from './ring/join-tokens.ts'
import { setPolicy } from './ring/set-policy.ts'
import { end } from './session/end.ts'
import { get as sessionGet } from './session/get.ts'
import { ticket } from './session/ticket.ts'
import { get as stateGet } from './state/get.ts'
import { createCallerFactory, router } from './trpc.ts'

export const appRouter = router({
  asset: {
    list: assetList,
    count,
    get: assetGet,
    rename: assetRename,
    trash,
    restore,
    setRating,
    cameraModels,
    conflicts: assetConflicts,
    resolve: assetResolve,
  },
  camera: { list: cameraList, rename: cameraRename, conflicts: cameraConflicts, resolve: cameraResolve },
  capture: { start, stop },
  node: {
    list: nodeList,
    remove: removeNode,
    settings: { get: settingsGet, patch: settingsPatch },
    conflicts: nodeConflicts,
    resolve: nodeResolve,
  },
  ring: { adopt, answerAdoption, goOver, tokens, makeToken, revokeToken, setPolicy },
  index: { pause, resume, rescan, retryErrors },
  folders: { list: folderList },
  owner: { setPassword, makeRecoveryKey, claimByRecoveryKey },
  state: { get: stateGet },
  session: { get: sessionGet, end, ticket },
})
export type AppRouter = typeof appRouter
export const createCaller = createCallerFactory(appRouter)
