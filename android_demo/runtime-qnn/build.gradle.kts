import org.jetbrains.kotlin.gradle.dsl.JvmTarget

plugins {
    alias(libs.plugins.android.library)
}

android {
    namespace = "org.mobilevitedge.qnn"
    compileSdk = libs.versions.compileSdk.get().toInt()
    defaultConfig {
        minSdk = libs.versions.minSdk.get().toInt()
    }
    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_17
        targetCompatibility = JavaVersion.VERSION_17
    }
}

kotlin {
    // Of the classes that are made, by whatever JDK runs Gradle: 17 or later.
    compilerOptions {
        jvmTarget = JvmTarget.JVM_17
    }
}

dependencies {
    api(project(":core"))
    implementation(project(":runtime-onnx"))
    implementation(libs.onnxruntime)
    // A hundred megabytes under Qualcomm's own license: whoever wants them asks for them, with -Pqnn.
    if (providers.gradleProperty("qnn").isPresent) runtimeOnly(libs.onnxruntime.qnn)
}
