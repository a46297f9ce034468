import com.android.build.api.dsl.LibraryExtension
import org.jetbrains.kotlin.gradle.dsl.JvmTarget
import org.jetbrains.kotlin.gradle.tasks.KotlinJvmCompile

plugins {
    alias(libs.plugins.android.application) apply false
    alias(libs.plugins.android.library) apply false
    alias(libs.plugins.kotlin.jvm) apply false
}

// The catalog belongs to this script: inside of subprojects its name means theirs, which is not there yet.
val versions = libs.versions

// What the adapters to the runtimes have in common; a module says what its namespace and its library are.
subprojects {
    pluginManager.withPlugin("com.android.library") {
        extensions.configure<LibraryExtension> {
            compileSdk = versions.compileSdk.get().toInt()
            defaultConfig {
                minSdk = versions.minSdk.get().toInt()
            }
            compileOptions {
                sourceCompatibility = JavaVersion.VERSION_17
                targetCompatibility = JavaVersion.VERSION_17
            }
        }
        tasks.withType<KotlinJvmCompile>().configureEach {
            // Of the classes that are made, by whatever JDK runs Gradle: 17 or later.
            compilerOptions {
                jvmTarget = JvmTarget.JVM_17
            }
        }
        dependencies.add("api", project(":core"))
    }
}
