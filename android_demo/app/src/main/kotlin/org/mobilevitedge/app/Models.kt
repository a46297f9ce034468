package org.mobilevitedge.app

import android.content.Context
import android.net.Uri
import java.io.File
import java.io.FileNotFoundException
import java.io.IOException
import org.mobilevitedge.core.Bundle
import org.mobilevitedge.core.BundleException
import org.mobilevitedge.core.BundleStore
import org.mobilevitedge.core.Classifier
import org.mobilevitedge.executorch.ExecuTorchClassifier
import org.mobilevitedge.onnx.OnnxClassifier

/** The bundles of this app, and what runs them. */
class Models(private val context: Context) {
    private val store = BundleStore(File(context.filesDir, "bundles").apply { mkdirs() })

    fun names(): List<String> = store.names()

    /** @throws BundleException if the bundle is damaged. */
    fun open(name: String): Bundle = store.open(name)

    /** Unpack the bundles that came with the app, once for each version of it; returns what was refused. */
    fun installAssets(): List<String> {
        val done = File(context.filesDir, "assets-of")
        val version = context.packageManager.getPackageInfo(context.packageName, 0).lastUpdateTime.toString()
        if (done.isFile && done.readText() == version) return emptyList()
        val problems = mutableListOf<String>()
        for (file in context.assets.list(ASSETS).orEmpty().filter { it.endsWith(ZIP) }) {
            try {
                context.assets.open("$ASSETS/$file").use { store.install(file.removeSuffix(ZIP), it) }
            } catch (error: BundleException) {
                problems += "$file: ${error.message}"
            }
        }
        try {
            done.writeText(version)
        } catch (error: IOException) {
            problems += "cannot remember what was unpacked: ${error.message}"
        }
        return problems
    }

    /**
     * A zip that the user has picked, under a name made of [displayName].
     *
     * @throws BundleException if it is no bundle, or cannot be read.
     */
    fun install(uri: Uri, displayName: String): Bundle {
        try {
            val stream = context.contentResolver.openInputStream(uri) ?: throw BundleException("the file is gone")
            return stream.use { store.install(storeName(displayName), it) }
        } catch (error: FileNotFoundException) {
            throw BundleException("the file is gone", error)
        } catch (error: SecurityException) {
            throw BundleException("the file may not be read", error)
        }
    }

    /**
     * A zip that `adb` has pushed into the app's `incoming` folder.
     *
     * @throws BundleException if it is not there, or no bundle.
     */
    fun installIncoming(name: String): Bundle {
        val incoming = File(context.getExternalFilesDir("incoming"), "$name$ZIP")
        if (!incoming.isFile) throw BundleException("$name is neither a bundle of the app nor was it pushed")
        try {
            return incoming.inputStream().use { store.install(name, it) }
        } catch (error: IOException) {
            throw BundleException("cannot read ${incoming.name}: ${error.message}", error)
        } finally {
            incoming.delete()
        }
    }

    /** Whether `adb` has pushed a bundle of this name. */
    fun isIncoming(name: String): Boolean =
        BundleStore.NAME.matches(name) && File(context.getExternalFilesDir("incoming"), "$name$ZIP").isFile

    private fun storeName(displayName: String): String =
        displayName.removeSuffix(ZIP).replace(Regex("[^A-Za-z0-9_.-]"), "_").trimStart('.', '-').take(MAX_NAME).ifEmpty { "bundle" }

    companion object {
        private const val ASSETS = "bundles"
        private const val ZIP = ".zip"
        private const val MAX_NAME = 100

        /** @throws BundleException if this app has no runtime for the bundle, or it refuses the model. */
        fun load(bundle: Bundle, threads: Int): Classifier =
            try {
                when (bundle.manifest.target) {
                    "onnx" -> OnnxClassifier(bundle, threads)
                    "executorch" -> ExecuTorchClassifier(bundle, threads)
                    else -> throw BundleException("a bundle for ${bundle.manifest.target} does not run on Android: export it for onnx or executorch")
                }
            } catch (error: LinkageError) {
                throw BundleException("this build of the app lacks the runtime of ${bundle.manifest.target}: build it with Gradle", error)
            }
    }
}
